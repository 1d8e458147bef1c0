"""Every URL of the console. Each view declares the permission it asks (users.access); a check refuses any that does not."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
