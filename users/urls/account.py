"""Sign-in and a person's own account: /admin/account/…"""

from django.urls import URLPattern

app_name = "account"
urlpatterns: list[URLPattern] = []
