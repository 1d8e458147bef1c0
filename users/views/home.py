"""Home: what waits, and what was done lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.views.decorators.http import require_safe

from audit import operations, reports
from audit.actions import Action
from audit.registry import actions, operation_of
from audit.reports import Deed
from users import approvals
from users.access import permission
from users.models import User
from users.requests import StaffRequest
from users.roles import Role
from users.runs.lines import at_hand
from users.waiting import waiting

_ACTS = 6


@dataclass(frozen=True, slots=True)
class Done:
    """An act as the home page shows it."""

    deed: Deed
    action: Action | None
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
        "to_approve": approvals.shelf.waiting(viewer) if viewer.may(approvals.DECIDE) else 0,
        "undelivered": reports.undelivered(now) if viewer.may("settings.inspect") else None,
        "sees_all": not viewer.sees_only_own(reports.INSPECT),
    }
    if viewer.may(reports.INSPECT):
        context["runs"] = at_hand(viewer, now)
        latest = reports.latest_acts(viewer, limit=_ACTS)
        context["mine"] = [_done(request, deed, now) for deed in latest.mine]
        context["everybody"] = [_done(request, deed, now) for deed in latest.everybody]
    return render(request, "users/home.html", context)


def _done(request: StaffRequest, deed: Deed, now: datetime) -> Done:
    operation = operation_of(deed.act.code)
    why_not = operations.why_not_undo(operation, deed.act, actor=request.user, now=now)
    return Done(deed, actions().get(deed.act.code), undo=not why_not)
