"""Service keys: /admin/service-keys/…"""

from django.urls import path

from users.views import service_keys

app_name = "service_keys"
urlpatterns = [
    path("", service_keys.keys, name="list"),
    path("new/", service_keys.create, name="new"),
    path("<int:key_id>/revoke/", service_keys.revoke, name="revoke"),
]
