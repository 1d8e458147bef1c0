"""Invitations: /admin/staff/invitations/…"""

from django.urls import path

from users.views import invitations

app_name = "invitations"
urlpatterns = [
    path("", invitations.invite, name="list"),
    path("<int:invitation_id>/revoke/", invitations.revoke, name="revoke"),
]
