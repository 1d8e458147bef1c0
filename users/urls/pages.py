"""Home, the user page, the audit page."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
