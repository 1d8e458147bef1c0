"""What is set for the whole console, by whom, and setting it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from audit import edits
from users import configuring
from users.access import permission
from users.configuration_forms import ApprovalLimitsForm, CreditLimitsForm, SessionLimitsForm
from users.console_settings import APPROVALS, LIMITED_ROLES, SESSIONS, limits_name
from users.models import Setting, User
from users.requests import StaffRequest
from users.roles import Role
from users.views.configuration import Affected, Editing, respond

Fact = dict[str, str | Promise]


@permission("settings.inspect")
@require_safe
def overview(request: StaffRequest) -> HttpResponse:
    """Everything that is set, what it is, and where that comes from. Secrets are not shown."""
    changed = {row.name: row for row in Setting.objects.select_related("changed_by")}
    context = {
        "limits": [
            (role, configuring.limits_of(role), changed.get(limits_name(role)))
            for role in LIMITED_ROLES
        ],
        "alone": configuring.approval_figures(),
        "alone_changed": changed.get(APPROVALS),
        "sessions": configuring.session_minutes(),
        "sessions_changed": changed.get(SESSIONS),
        "second_factor": _second_factor(),
        "mail": _mail(),
        "site": _site(),
        "may_edit": request.user.may(configuring.EDIT),
        "may_edit_security": request.user.may(configuring.EDIT_SECURITY),
    }
    return render(request, "users/configuration/settings.html", context)


def _second_factor() -> list[Fact]:
    required = settings.REQUIRE_STAFF_MFA
    source = _("COAI_REQUIRE_STAFF_MFA")
    if settings.PRODUCTION:
        source = _("always on in production")
    return [
        {"label": _("Staff"), "value": _("required") if required else _("not asked for")},
        {"label": _("Decided by"), "value": source},
    ]


def _mail() -> list[Fact]:
    sender: Fact = {"label": _("Sender"), "value": settings.DEFAULT_FROM_EMAIL}
    source: Fact = {"label": _("Decided by"), "value": "EMAIL_URL, DEFAULT_FROM_EMAIL"}
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return [sender, {"label": _("Server"), "value": _("none: letters go to the log")}, source]
    secured = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    return [
        sender,
        {"label": _("Server"), "value": f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"},
        {"label": _("Encrypted"), "value": _("yes") if secured else _("no")},
        source,
    ]


def _site() -> list[Fact]:
    return [
        {"label": _("Address"), "value": settings.SITE_URL},
        {"label": _("Mode"), "value": settings.MODE},
        {"label": _("Answers to"), "value": ", ".join(settings.ALLOWED_HOSTS)},
        {"label": _("Decided by"), "value": "SITE_URL, COAI_MODE, ALLOWED_HOSTS"},
    ]


@permission(configuring.EDIT, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def credit_limits(request: StaffRequest, role: str) -> HttpResponse:
    """How many credits a role moves by hand."""
    if role not in LIMITED_ROLES:
        raise Http404
    values, now = configuring.limits_of(role), time_now()
    form = CreditLimitsForm(request.POST if request.method == "POST" else None, initial=values)

    def save(given: Mapping[str, Any], seen: str, reason: str) -> edits.Changes:
        return configuring.set_credit_limits(
            role, given, seen=seen, actor=request.user, now=now, reason=reason
        )

    return respond(
        request,
        Editing(
            title=_("Credits by hand: %(role)s") % {"role": Role(role).label},
            section=_("Settings"),
            back=reverse("settings:overview"),
            form=form,
            now=values,
            affects=lambda changes: _colleagues(role),
            save=save,
        ),
    )


def _colleagues(role: str) -> list[Affected]:
    number = User.objects.filter(role=role, closed_at=None).count()
    people = ngettext("%(n)s colleague has this role.", "%(n)s colleagues have this role.", number)
    listed = f"{reverse('users:list')}?role={role}"
    return [
        Affected(people % {"n": f"{number:,}"}, listed),
        Affected(_("What they moved in the last 24 hours counts.")),
    ]


@permission(configuring.EDIT_SECURITY, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def approvals(request: StaffRequest) -> HttpResponse:
    """What one person does without a second one."""
    values, now = configuring.approval_figures(), time_now()
    form = ApprovalLimitsForm(request.POST if request.method == "POST" else None, initial=values)

    def save(given: Mapping[str, Any], seen: str, reason: str) -> edits.Changes:
        return configuring.set_approval_limits(
            given, seen=seen, actor=request.user, now=now, reason=reason
        )

    return respond(
        request,
        Editing(
            title=_("What one person does alone"),
            section=_("Settings"),
            back=reverse("settings:overview"),
            form=form,
            now=values,
            affects=lambda changes: [
                Affected(_("All colleagues, from their next act on.")),
                Affected(_("What waits for approval already goes on waiting.")),
            ],
            save=save,
        ),
    )


@permission(configuring.EDIT_SECURITY, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: StaffRequest) -> HttpResponse:
    """When sessions end."""
    values, now = configuring.session_minutes(), time_now()
    form = SessionLimitsForm(request.POST if request.method == "POST" else None, initial=values)

    def save(given: Mapping[str, Any], seen: str, reason: str) -> edits.Changes:
        return configuring.set_session_limits(
            given, seen=seen, actor=request.user, now=now, reason=reason
        )

    return respond(
        request,
        Editing(
            title=_("Sessions"),
            section=_("Settings"),
            back=reverse("settings:overview"),
            form=form,
            now=values,
            affects=lambda changes: _signed_in(form.values, now),
            save=save,
        ),
    )


def _signed_in(values: Mapping[str, Any], now: datetime) -> list[Affected]:
    total, ended = configuring.sessions_under(values, now)
    now_open = ngettext("%(n)s session is open.", "%(n)s sessions are open.", total)
    at_once = ngettext("%(n)s of them ends at once.", "%(n)s of them end at once.", ended)
    return [
        Affected(now_open % {"n": f"{total:,}"}),
        Affected(at_once % {"n": f"{ended:,}"}),
    ]
