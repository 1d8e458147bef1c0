"""Home, the user page, the audit page."""

from django.urls import path

from users.views import audit, home, look, palette, statement, user

urlpatterns = [
    path("", home.home, name="home"),
    path("palette/", palette.palette, name="palette"),
    path("users/<int:user_id>/", user.detail, name="user"),
    path("users/<int:user_id>/look/", look.look, name="user_look"),
    path("users/<int:user_id>/reveal/", user.reveal, name="user_reveal"),
    path("users/<int:user_id>/statement/", statement.statement, name="user_statement"),
    path("audit/", audit.entries, name="audit"),
    path("audit/<int:entry_id>/", audit.entry, name="audit_entry"),
]
