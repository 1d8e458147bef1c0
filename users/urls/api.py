"""The REST API: /api/v1/…"""

from django.urls import path, re_path

from users.api import acts, people, receipts, records
from users.api.base import Nothing

app_name = "api"
urlpatterns = [
    path("users/", people.Users.as_view(), name="users"),
    path("users/<int:user_id>/", people.User.as_view(), name="user"),
    path("operations/", acts.Catalogue.as_view(), name="operations"),
    path("operations/<str:code>/", acts.Perform.as_view(), name="perform"),
    path("operations/<str:code>/preview/", acts.Preview.as_view(), name="preview"),
    path("acts/<uuid:act_id>/", receipts.Deed.as_view(), name="act"),
    path("acts/<uuid:act_id>/receipts/", receipts.Receipts.as_view(), name="receipts"),
    path("acts/<uuid:act_id>/undo/", acts.Undo.as_view(), name="undo"),
    path("audit/", records.Entries.as_view(), name="audit"),
    re_path("", Nothing.as_view(), name="nothing"),
]
