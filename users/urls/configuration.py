"""What is configured: /admin/tiers/, /admin/reason-codes/, /admin/settings/."""

from django.urls import include, path

from users.views import reason_codes, settings, tiers

_tiers = [
    path("", tiers.tiers, name="list"),
    path("<int:level>/", tiers.tier, name="edit"),
]
_reason_codes = [
    path("", reason_codes.reason_codes, name="list"),
    path("new/", reason_codes.new_reason_code, name="new"),
    path("code/<slug:code>/", reason_codes.reason_code, name="edit"),
]
_settings = [
    path("", settings.overview, name="overview"),
    path("credits/<slug:role>/", settings.credit_limits, name="credit_limits"),
    path("approvals/", settings.approvals, name="approvals"),
    path("sessions/", settings.sessions, name="sessions"),
]
urlpatterns = [
    path("tiers/", include((_tiers, "tiers"))),
    path("reason-codes/", include((_reason_codes, "reason_codes"))),
    path("settings/", include((_settings, "settings"))),
]
