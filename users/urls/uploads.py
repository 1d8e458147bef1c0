"""Importing users from a file: /admin/users/import/…"""

from django.urls import path

from users.views import uploads

app_name = "uploads"
urlpatterns = [
    path("", uploads.uploads, name="list"),
    path("<int:upload_id>/", uploads.detail, name="detail"),
    path("<int:upload_id>/state/", uploads.state, name="state"),
    path("<int:upload_id>/rows/", uploads.rows, name="rows"),
]
