"""Ticking users, and what is done with the ticked ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.core.exceptions import BadRequest
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit import selection
from audit.registry import operations as registered
from audit.selection import Kept, NoSelection
from coai_admin.console.listing import PAGE_SIZE, Reading
from users.access import permission
from users.requests import StaffRequest
from users.table import USERS
from users.table.rows import UserRow
from users.views.users import SELECT, address_of, picked_on, selection_in

ALL, EXPORT = "all", "export"
_BIGGEST_ID = 2**63 - 1
_MOST_DIGITS = 19  # Python refuses to read thousands of them as a number


@permission(SELECT)
@require_POST
def select(request: StaffRequest) -> HttpResponse:
    """Keep the ticks of the page that was shown; then act on the selection, take in all that match,
    or go on.

    ``shown`` are the users on the page, ``pick`` those that are ticked, ``act`` the button: an
    operation's code, "all", "export", or nothing. htmx gets the bar again; browsers are led on.
    """
    now = time_now()
    shown, picked = _ids(request.POST.get("shown", "").split()), _ids(request.POST.getlist("pick"))
    chosen = selection_in(request.POST) or uuid.uuid4()
    act = request.POST.get("act", "")
    reading = USERS.read(_without_selection(request.GET), viewer=request.user, now=now)
    try:
        kept = selection.pick(
            chosen, shown=shown, picked=picked & shown, owner=request.user, now=now
        )
        if act == ALL:
            kept = selection.freeze(
                chosen, reading.ids(), query=reading.query, owner=request.user, now=now
            )
    except NoSelection as lost:
        raise BadRequest(str(lost)) from lost
    if act in registered():
        return redirect("operate:many", kept.id, act)
    if act == EXPORT:
        return redirect(f"{reverse('users:export')}?selection={kept.id}")
    if act not in {"", ALL}:
        raise BadRequest(_("There is no act “%(act)s”.") % {"act": act[:40]})
    kept = replace(kept, here=frozenset(picked & shown))
    return _go_on(request, kept, reading, sorted(shown))


def _go_on(
    request: StaffRequest, kept: Kept, reading: Reading[UserRow], shown: Sequence[int]
) -> HttpResponse:
    address = address_of(request.GET.urlencode(), kept.id if kept.count else None)
    if not request.htmx:
        # Who took in all that match is in the bar, and stays there.
        return redirect(f"{address}#selection" if request.POST.get("act") == ALL else address)
    context = {
        "reading": reading,
        "picking": picked_on(request, reading, kept, shown),
        "may_export": request.user.may("exports.users_masked"),
    }
    response = render(request, "users/_bulk.html", context)
    response.headers["HX-Replace-Url"] = address
    return response


def _ids(words: list[str]) -> set[int]:
    if len(words) > PAGE_SIZE:
        raise BadRequest(_("A page has at most %(size)s rows.") % {"size": PAGE_SIZE})
    if not all(map(_is_id, words)):
        raise BadRequest(_("“shown” and “pick” are ids of users."))
    return {int(word) for word in words}


def _is_id(word: str) -> bool:
    digits = word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS
    return digits and int(word) <= _BIGGEST_ID


def _without_selection(parameters: QueryDict) -> QueryDict:
    kept = parameters.copy()
    kept.pop("selection", None)
    return kept
