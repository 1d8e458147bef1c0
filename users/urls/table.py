"""The user table, its rows, exports and selections: /admin/users/, /admin/selections/…"""

from django.urls import URLPattern

app_name = "users"
urlpatterns: list[URLPattern] = []
