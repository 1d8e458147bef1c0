"""What waits for a second person: /admin/approvals/…"""

from django.urls import path

from users.views import approvals

app_name = "approvals"
urlpatterns = [
    path("", approvals.queue, name="list"),
    path("<uuid:act_id>/", approvals.one, name="one"),
]
