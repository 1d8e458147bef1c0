"""Acts: /admin/users/42/<code>/, /admin/selections/<uuid>/<code>/, /admin/acts/<uuid>/."""

from django.urls import URLPattern

app_name = "operate"
urlpatterns: list[URLPattern] = []
