"""The quick look at a user: the essentials beside the list, without leaving it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.views.decorators.http import require_safe

from audit import operations
from audit.registry import operations as registered
from audit.reports import INSPECT, latest_about_user
from users import reports
from users.access import permission
from users.requests import StaffRequest
from users.views.user import vanished

_LATEST = 4
_ACTS = 8


@permission("users.inspect")
@require_safe
def look(request: StaffRequest, user_id: int) -> HttpResponse:
    """One user in short: what holds them back, the figures, what was done lately, what can be."""
    now, viewer = time_now(), request.user
    person = reports.person(user_id)
    if person is None:
        return vanished(request, user_id)
    live, coming = reports.holding(user_id, now)
    menus = operations.menus(list(registered().values()), [user_id], actor=viewer, now=now)
    possible = [item.operation for item in menus.get(user_id, ()) if not item.refusal]
    context = {
        "person": person,
        "now": now,
        "address": reports.address(person, viewer, now),
        "figures": reports.figures(person, now),
        "live": live,
        "coming": coming,
        "acts": possible[:_ACTS],
        "more_acts": len(possible) > _ACTS,
        "lines": latest_about_user(user_id, viewer, limit=_LATEST) if viewer.may(INSPECT) else [],
        "sees_roles": viewer.may("users.inspect_staff"),
    }
    template = "users/_look.html" if request.htmx else "users/look.html"
    return render(request, template, context)
