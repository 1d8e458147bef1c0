"""Home: what waits, and what was done lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.views.decorators.http import require_safe

from audit import operations, reports
from audit.operations import Operation
from audit.registry import operations as registered
from audit.reports import Deed
from users.access import permission
from users.models import User
from users.requests import StaffRequest
from users.roles import Role
from users.waiting import waiting

_ACTS = 6


@dataclass(frozen=True, slots=True)
class Done:
    """An act as the home page shows it."""

    deed: Deed
    operation: Operation | None
    undo: bool


@permission("users.browse")
@require_safe
def home(request: StaffRequest) -> HttpResponse:
    """The first page after signing in."""
    now, viewer = time_now(), request.user
    customers = User.objects.filter(role=Role.NONE).exists()
    context = {
        "now": now,
        "customers": customers,
        "may_import": viewer.may("imports.inspect"),
        "waiting": list(waiting(viewer, now)) if customers else [],
        "undelivered": reports.undelivered(now) if viewer.may("settings.inspect") else None,
        "sees_record": viewer.may(reports.INSPECT),
        "sees_all": viewer.may(reports.INSPECT) and not viewer.sees_only_own(reports.INSPECT),
    }
    if context["sees_record"]:
        context["mine"] = _done(request, now, own=True)
    if context["sees_all"]:
        context["everybody"] = _done(request, now, own=False)
    return render(request, "users/home.html", context)


def _done(request: StaffRequest, now: datetime, *, own: bool) -> list[Done]:
    lines = []
    for deed in reports.latest_acts(request.user, limit=_ACTS, own=own):
        operation = registered().get(deed.act.code)
        why_not = operations.why_not_undo(operation, deed.act, actor=request.user, now=now)
        lines.append(Done(deed, operation, undo=not why_not))
    return lines
