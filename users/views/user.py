"""The page of one user, and the reveal of what it masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit import operations, record
from audit.operations import MenuItem
from audit.panels import Panel, Place, takes_no_parameters
from audit.registry import operations as registered
from audit.registry import user_panels
from coai_admin.console.errors import answer
from coai_admin.console.filters import BadParameter
from users import reports, roles
from users.access import permission
from users.kept_forms import kept_form
from users.models import User
from users.profile import remarks
from users.requests import StaffRequest
from users.restrictions.operations import LIFT_RESTRICTION

# The acts that stand beside the heading, as far as they are possible: the first of them.
COMMONEST = ("billing.adjust_credits", "users.lift_restriction", "users.suspend")
BUTTONS = 2
LIFT = LIFT_RESTRICTION.code


@dataclass(frozen=True, slots=True)
class Filled:
    """A panel with what it shows."""

    panel: Panel
    context: Mapping[str, Any]


@permission("users.inspect")
@require_safe
def detail(request: StaffRequest, user_id: int) -> HttpResponse:
    """One user: the heading, and the open tab."""
    now = time_now()
    person = reports.person(user_id)
    if person is None:
        return vanished(request, user_id)
    panels = [panel for panel in user_panels() if request.user.may(panel.permission)]
    tab = _tab(request, panels)
    live, coming = reports.holding(user_id, now)
    buttons, more = _acts(request, person, now)
    offered = {item.operation.code for item in (*buttons, *more) if not item.refusal}
    context = {
        "person": person,
        "now": now,
        "address": reports.address(person, request.user, now),
        "figures": reports.figures(person, now),
        "live": live,
        "coming": coming,
        "tags": remarks.tags(user_id),
        "buttons": buttons,
        "more": more,
        "may_lift": LIFT in offered,
        "lifters": "" if request.user.may(LIFT) else roles.holders(LIFT),
        "offered": offered,
        "tabs": _tabs(panels, tab),
        "tab": tab,
        "sees_roles": request.user.may("users.inspect_staff"),
        "may_reveal": _may_reveal(request, person),
        **_filled(request, person, panels, tab, now),
    }
    return render(request, "users/user.html", context)


def vanished(request: HttpRequest, user_id: int) -> HttpResponse:
    """404 for a user who does not exist, and it says so."""
    sentence = _("There is no user %(id)s: the number is mistyped, or the account was purged.")
    return answer(request, 404, message=sentence % {"id": user_id})


def _tab(request: StaffRequest, panels: Sequence[Panel]) -> Panel | None:
    """The open tab; None is the overview."""
    name = request.GET.get("tab", "")
    if not name:
        takes_no_parameters(request.GET)
        return None
    named: list[Panel] = [
        panel for panel in user_panels() if panel.name == name and panel.place is Place.TAB
    ]
    if named and named[0] in panels:
        return named[0]
    if named:
        raise PermissionDenied(_("Your role does not see “%(name)s”.") % {"name": name})
    raise BadParameter(_("There is no tab named “%(name)s”.") % {"name": name[:40]})


def _tabs(panels: Sequence[Panel], current: Panel | None) -> list[dict[str, Any]]:
    overview = {"label": _("Overview"), "url": "?", "current": current is None}
    return [
        overview,
        *(
            {"label": panel.label, "url": f"?tab={panel.name}", "current": panel is current}
            for panel in panels
            if panel.place is Place.TAB
        ),
    ]


def _filled(
    request: StaffRequest, person: User, panels: Sequence[Panel], tab: Panel | None, now: datetime
) -> dict[str, Any]:
    """What the open tab shows: one panel, or on the overview the cards of both columns."""
    if tab is not None:
        return {"open": Filled(tab, tab.load(person.pk, request.user, now, request.GET) or {})}
    cards = [
        (panel.place, Filled(panel, context))
        for panel in panels
        if panel.place is not Place.TAB
        and (context := panel.load(person.pk, request.user, now, request.GET)) is not None
    ]
    return {
        "main": [card for place, card in cards if place is Place.MAIN],
        "side": [card for place, card in cards if place is Place.SIDE],
    }


def _acts(
    request: StaffRequest, person: User, now: datetime
) -> tuple[list[MenuItem], list[MenuItem]]:
    """The commonest acts as buttons, all others for the menu."""
    menus = operations.menus(list(registered().values()), [person.pk], actor=request.user, now=now)
    items = menus.get(person.pk, [])
    possible = {item.operation.code: item for item in items if not item.refusal}
    buttons = [possible[code] for code in COMMONEST if code in possible][:BUTTONS]
    return buttons, [item for item in items if item not in buttons]


# What is masked, for a reason


class RevealForm(forms.Form):
    """Why somebody needs to see personal data."""

    reason = forms.CharField(
        label=gettext_lazy("Why do you need it?"),
        max_length=500,
        help_text=gettext_lazy("Stands in the audit log with your name."),
    )
    ticket = forms.CharField(label=gettext_lazy("Ticket"), max_length=100, required=False)


@permission("users.reveal", asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def reveal(request: StaffRequest, user_id: int) -> HttpResponse:
    """Show the masked data of one user once, for a reason, on the record."""
    person = reports.person(user_id)
    if person is None:
        return vanished(request, user_id)
    _refuse_staff(request, person)
    form = RevealForm(request.POST if request.method == "POST" else kept_form(request))
    shown = None
    if form.is_valid() and request.method == "POST":
        shown = _reveal(request, person, form)
    context = {"person": person, "form": form, "shown": shown}
    template = "users/_reveal.html" if request.htmx else "users/reveal.html"
    return render(request, template, context, status=422 if form.errors else 200)


@transaction.atomic
def _reveal(request: StaffRequest, person: User, form: RevealForm) -> dict[str, Any]:
    """The entry and the reading stand or fall together."""
    record.entry(
        "users.reveal",
        actor=request.user,
        now=time_now(),
        target=("user", person.pk, person.username),
        changes={"revealed": _("email and IP addresses")},
        reason=form.cleaned_data["reason"],
        ticket=form.cleaned_data["ticket"],
    )
    return reports.personal_data(person)


def _may_reveal(request: StaffRequest, person: User) -> bool:
    viewer = request.user
    needs = viewer.sees_masked("users.inspect") and viewer.may("users.reveal")
    return needs and (person.rank == 0 or viewer.may("users.inspect_staff"))


def _refuse_staff(request: StaffRequest, person: User) -> None:
    if person.rank > 0 and not request.user.may("users.inspect_staff"):
        raise PermissionDenied(_("Your role does not see the personal data of staff."))
