"""The reference of the API: /admin/api/"""

from django.urls import path

from users.api import reference

urlpatterns = [path("", reference.page, name="api_reference")]
