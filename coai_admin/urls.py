"""Every URL of the console. Each view declares the permission it asks (users.access); a check
refuses any that does not."""

from django.urls import include, path
from django.views.generic import RedirectView

from coai_admin.console import health
from users.access import public

urlpatterns = [
    path("livez", public(health.alive)),
    path("readyz", public(health.ready)),
    path("", public(RedirectView.as_view(pattern_name="home"))),
    path("admin/login/", public(RedirectView.as_view(pattern_name="account:sign_in"))),
    path("api/", include("coai_admin.api")),
    path("admin/", include("users.urls.pages")),
    path("admin/", include("users.urls.people")),
    path("admin/", include("users.urls.operate")),
    path("admin/runs/", include("users.urls.runs")),
    path("admin/account/", include("users.urls.account")),
    path("admin/approvals/", include("users.urls.approvals")),
    path("admin/exports/", include("users.urls.exports")),
    path("admin/users/import/", include("users.urls.uploads")),
    path("admin/imports/", include("users.urls.imports")),
    path("admin/staff/invitations/", include("users.urls.invitations")),
    path("admin/", include("users.urls.configuration")),
    path("admin/api/", include("users.urls.reference")),
    path("admin/service-keys/", include("users.urls.service_keys")),
    path("admin/views/", include("users.urls.views")),
    path("admin/", include("users.urls.table")),
]
handler400 = "coai_admin.console.errors.bad_request"
handler403 = "coai_admin.console.errors.permission_denied"
handler404 = "coai_admin.console.errors.not_found"
handler500 = "coai_admin.console.errors.server_error"
