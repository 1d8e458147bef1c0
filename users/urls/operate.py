"""Acts: /admin/users/42/<code>/, /admin/selections/<uuid>/<code>/, /admin/acts/<uuid>/."""

from django.urls import path, register_converter

from users.views import acts, operate


class OperationConverter:
    """The code of an operation as it stands in a URL: ``billing.adjust_credits``."""

    regex = r"[a-z_]+\.[a-z_]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(OperationConverter, "operation")

app_name = "operate"
urlpatterns = [
    path("users/<int:user_id>/acts/", operate.menu, name="menu"),
    path("users/<int:user_id>/<operation:code>/", operate.one, name="one"),
    path("selections/<uuid:selection_id>/<operation:code>/", operate.many, name="many"),
    path("acts/<uuid:act_id>/", acts.detail, name="act"),
    path("acts/<uuid:act_id>/undo/", acts.undo, name="undo"),
]
