"""What is configured: /admin/tiers/, /admin/reason-codes/, /admin/settings/."""

from django.urls import include, path

from users.views import reason_codes, tiers

_tiers = [
    path("", tiers.tiers, name="list"),
    path("<int:level>/", tiers.tier, name="edit"),
]
_reason_codes = [
    path("", reason_codes.reason_codes, name="list"),
    path("new/", reason_codes.new_reason_code, name="new"),
    path("code/<slug:code>/", reason_codes.reason_code, name="edit"),
]
urlpatterns = [
    path("tiers/", include((_tiers, "tiers"))),
    path("reason-codes/", include((_reason_codes, "reason_codes"))),
]
