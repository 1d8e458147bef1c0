"""Which columns the user table shows, in which order, how dense: for oneself, for a view of one's
own, or for once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Reading
from users import saved_views
from users.access import permission
from users.models import SavedView
from users.requests import StaffRequest
from users.saved_views import Picture
from users.table.rows import UserRow
from users.table.views import address_of, kept_of
from users.view_models import Density
from users.views.users import BROWSE, arranged


class Choice(NamedTuple):
    """A column that can be chosen."""

    name: str
    label: str | Promise
    shown: bool


@permission(BROWSE)
@require_http_methods(["GET", "HEAD", "POST"])
def columns(request: StaffRequest) -> HttpResponse:
    """The columns of the table that the query string describes, to be ticked and put in order.

    ``act``: "save" (for oneself), "view" (in the view that is open), "once" (in the address),
    "reset" (the usual ones again), or "up:tier" and "down:tier" without scripts.
    """
    reading, arrangement = arranged(request, request.GET)
    choices = _choices(reading)
    density = arrangement.density
    if request.method == "POST":
        choices, density = _posted(request, choices), request.POST.get("density", density)
        if density not in Density.values:
            raise BadParameter(_("“density” can only be “comfortable” or “compact”."))
        act, _colon, name = request.POST.get("act", "save").partition(":")
        if act not in {"up", "down"}:
            return _keep(request, act, reading, arrangement.open, choices, density)
        choices = _moved(choices, name, -1 if act == "up" else 1)
    view = (
        arrangement.open
        if arrangement.open and arrangement.open.owner_id == request.user.pk
        else None
    )
    context = {
        "choices": choices,
        "pinned": [column for column, _sight in reading.shown if column.pinned],
        "densities": Density.choices,
        "density": density,
        "view": view if view and view.owner_id == request.user.pk else None,
        "query": reading.query,
    }
    template = "users/_columns.html" if request.htmx else "users/columns.html"
    return render(request, template, context)


def _choices(reading: Reading[UserRow]) -> list[Choice]:
    """Shown columns in their order, then all others."""
    shown = [column for column, _sight in reading.shown if not column.pinned]
    offered = [column for column, _sight in reading.listing.offered(reading.viewer)]
    others = [column for column in offered if column not in shown and not column.pinned]
    return [
        *(Choice(column.name, column.label, True) for column in shown),  # noqa: FBT003
        *(Choice(column.name, column.label, False) for column in others),  # noqa: FBT003
    ]


def _posted(request: StaffRequest, choices: Sequence[Choice]) -> list[Choice]:
    """The choices as the form has them: ``order`` are all, ``column`` those that are ticked."""
    known = {choice.name: choice for choice in choices}
    ticked = set(request.POST.getlist("column"))
    order = dict.fromkeys([*request.POST.getlist("order"), *known])
    for name in (*order, *ticked):
        if name not in known:
            raise BadParameter(_("There is no column named “%(name)s”.") % {"name": name[:40]})
    return [known[name]._replace(shown=name in ticked) for name in order]


def _moved(choices: list[Choice], name: str, by: int) -> list[Choice]:
    names = [choice.name for choice in choices]
    if name not in names:
        raise BadParameter(_("There is no column named “%(name)s”.") % {"name": name[:40]})
    at = names.index(name)
    moved = choices.copy()
    moved.insert(min(max(at + by, 0), len(choices) - 1), moved.pop(at))
    return moved


def _keep(
    request: StaffRequest,
    act: str,
    reading: Reading[UserRow],
    view: SavedView | None,
    choices: Sequence[Choice],
    density: str,
) -> HttpResponse:
    pinned = [column.name for column, _sight in reading.shown if column.pinned]
    chosen = [*pinned, *(choice.name for choice in choices if choice.shown)]
    parameters = QueryDict(reading.query, mutable=True)
    parameters.pop("columns", None)
    if act == "view" and view is not None and view.owner_id == request.user.pk:
        saved_views.redraw(view, Picture(kept_of(view.query), chosen, density), now=reading.now)
        return redirect(address_of(view))
    if act == "once":
        parameters["columns"] = ",".join(chosen)
    elif act == "save":
        saved_views.arrange(request.user, columns=chosen, density=density)
        parameters.pop("view", None)
    elif act == "reset":
        usual = Density.COMFORTABLE.value
        saved_views.arrange(request.user, columns=[], density=usual)
        parameters.pop("view", None)
    else:
        raise BadParameter(_("There is no act “%(act)s”.") % {"act": act[:40]})
    return redirect(f"{reverse('users:list')}?{parameters.urlencode()}")
