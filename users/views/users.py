"""The user table: the page and its parts."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit import operations, selection
from audit.operations import Operation
from audit.registry import operations as registered
from audit.selection import Kept, NoSelection
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Reading, WrongFilter
from coai_admin.console.query import QueryError
from users.access import permission
from users.models import ApiKey
from users.requests import StaffRequest
from users.table import USERS
from users.table.completion import meant
from users.table.filters import UserFilters
from users.table.rows import UserRow
from users.table.views import Arrangement, LostView, tabs

BROWSE = "users.browse"
SELECT = "audit.preview_many"
KEY = "sk-"
_FOREMOST = frozenset(
    {"billing.adjust_credits", "users.suspend", "users.tag", "users.send_password_link"}
)


@permission(BROWSE)
@require_safe
def table(request: StaffRequest) -> HttpResponse:
    """The user table; to htmx only its part of the page."""
    if request.GET.get("q", "").strip().startswith(KEY):
        raise BadRequest(
            _("A whole API key must not stand in an address. Put it into the search box.")
        )
    try:
        reading, arrangement = arranged(request, request.GET)
        context = listed(request, reading, arrangement)
    except WrongFilter as wrong:
        return _wrong(request, wrong)
    except NoSelection as lost:
        return _without(request, "selection", str(lost))
    except LostView as lost:
        return _without(request, "view", str(lost))
    if not _is_fragment(request):
        if any(not value.strip() for values in request.GET.lists() for value in values[1]):
            return redirect(_address(reading))
        return render(request, "users/list.html", context)
    response = render(request, "users/_listing.html", context)
    typing = request.htmx.trigger_name == "q"
    response.headers["HX-Replace-Url" if typing else "HX-Push-Url"] = _address(reading)
    return response


def arranged(request: StaffRequest, parameters: QueryDict) -> tuple[Reading[UserRow], Arrangement]:
    """The list that the parameters ask for, with the columns of the view that they name or those
    that its reader likes. Raises BadParameter and LostView."""
    arrangement = Arrangement.of(request.user, parameters)
    reading = USERS.read(
        parameters, viewer=request.user, now=time_now(), columns=arrangement.columns
    )
    return reading, arrangement


def _without(request: StaffRequest, name: str, why: str) -> HttpResponse:
    """The same list without what is no longer there."""
    messages.warning(request, why)
    kept = request.GET.copy()
    del kept[name]
    return _lead(request, f"{reverse('users:list')}?{kept.urlencode()}")


@permission(BROWSE)
@require_safe
def row(request: StaffRequest, user_id: int) -> HttpResponse:
    """One row of the table, after something was done to that user."""
    asked = QueryDict(mutable=True)
    for name in {"view", "columns"} & request.GET.keys():
        asked[name] = request.GET[name]
    reading, _arrangement = arranged(request, asked)
    rows = list(USERS.facts([user_id], request.user, reading.now))
    if not rows:
        raise Http404
    chosen = selection_in(request.GET)
    context = {
        "rows": rows,
        "reading": reading,
        "more": reading.fetched([user_id]),
        "now": reading.now,
        "picking": _picking_if_kept(request, reading, rows, chosen)
        if request.user.may(SELECT)
        else None,
    }
    return render(request, "users/_rows.html", context)


def _picking_if_kept(
    request: StaffRequest,
    reading: Reading[UserRow],
    rows: Sequence[UserRow],
    chosen: uuid.UUID | None,
) -> Picking:
    """The selection, or a new one when it expired meanwhile: the row is what was asked for."""
    try:
        return picking(request, reading, rows, chosen)
    except NoSelection:
        return picking(request, reading, rows, None)


@permission(BROWSE)
@require_safe
def filters(request: StaffRequest) -> HttpResponse:
    """What the table can be asked for: a page of its own, or a panel above the table."""
    try:
        reading, _arrangement = arranged(request, request.GET)
    except WrongFilter as wrong:
        return _wrong(request, wrong)
    return _form(request, reading, 200)


@permission(BROWSE)
@require_POST
def search(request: StaffRequest) -> HttpResponse:
    """What was typed into the search box. It comes by POST because it may be somebody's whole API
    key, which must not stand in an address: that leads straight to its owner; anything else back to
    the list."""
    text = request.POST.get("q", "").strip()
    if text.startswith(KEY):
        return _owner_of(request, text)
    parameters = QueryDict(request.POST.get("query", ""), mutable=True)
    for gone in ("q", "after", "before", "count"):
        parameters.pop(gone, None)
    if text:
        parameters["q"] = text
    return redirect(f"{reverse('users:list')}?{parameters.urlencode()}")


def _owner_of(request: StaffRequest, key: str) -> HttpResponse:
    digest = hashlib.sha256(key.encode()).digest()
    owner = ApiKey.objects.filter(digest=digest).values_list("user_id", flat=True).first()
    if owner is not None:
        return _lead(request, reverse("user", args=[owner]))
    if request.htmx and request.htmx.trigger_name == "q":
        return HttpResponse(status=204)  # perhaps it is still being typed
    messages.warning(
        request, _("No user has this API key. Keys are found by the whole key, revoked ones too.")
    )
    return _lead(request, reverse("users:list"))


def listed(
    request: StaffRequest, reading: Reading[UserRow], arrangement: Arrangement
) -> dict[str, Any]:
    """The context of the table."""
    page = reading.page()
    chosen = selection_in(reading.parameters)
    may_select = request.user.may(SELECT)
    return {
        "reading": reading,
        "page": page,
        "rows": page.rows,
        "meant": None if page.rows else _meant(request, reading),
        "more": page.more,
        "now": reading.now,
        "picking": picking(request, reading, page.rows, chosen) if may_select else None,
        "may_export": request.user.may("exports.users_masked"),
        "density": arrangement.density,
        "views": tabs(reading, arrangement, request.user),
        "is_fragment": _is_fragment(request),
    }


def _meant(request: StaffRequest, reading: Reading[UserRow]) -> dict[str, str] | None:
    """Another query to try where nobody matches, and its link."""
    query = meant(str(reading.parameters.get("q", "")), request.user)
    return {"query": query, "link": reading.link("q", query)} if query else None


@dataclass(frozen=True, slots=True)
class Picking:
    """What the page knows of the selection: ``blocked`` are the users on it on whom nothing can be
    done, each with the reason; ``elsewhere`` counts those of the selection that are not on this
    page."""

    id: uuid.UUID
    kept: Kept | None
    operations: Sequence[Operation]
    blocked: dict[int, str]
    shown: Sequence[int]
    clear: str

    @property
    def foremost(self) -> list[Operation]:
        """Those that are done most, as buttons of their own."""
        return [one for one in self.operations if one.code in _FOREMOST]

    @property
    def others(self) -> list[Operation]:
        """The rest, in a menu."""
        return [one for one in self.operations if one.code not in _FOREMOST]

    @property
    def count(self) -> int:
        return self.kept.count if self.kept else 0

    @property
    def here(self) -> frozenset[int]:
        return self.kept.here if self.kept else frozenset()

    @property
    def elsewhere(self) -> int:
        return self.count - len(self.here)


def picking(
    request: StaffRequest,
    reading: Reading[UserRow],
    rows: Sequence[UserRow],
    chosen: uuid.UUID | None,
) -> Picking:
    """The selection beside these rows. Raises NoSelection."""
    shown = [row.pk for row in rows]
    now = reading.now
    kept = selection.look(chosen, shown, owner=request.user, now=now) if chosen else None
    # Only staff and oneself can be out of reach; nobody needs to be asked about anybody else.
    doubtful = [row.pk for row in rows if row.is_staff or row.pk == request.user.pk]
    acts = _acts_on_many(request)
    # Acts with obstacles ask the database for each of them, and refuse no row that all others take.
    plain = [act for act in acts if act.obstacles is None] or acts
    menus = operations.menus(plain, doubtful, actor=request.user, now=now) if doubtful else {}
    blocked = {
        pk: items[0].refusal
        for pk, items in menus.items()
        if items and all(item.refusal for item in items)
    }
    # A new one gets its id now: two quick ticks then make one selection, not two.
    return Picking(kept.id if kept else uuid.uuid4(), kept, acts, blocked, shown, _clear(reading))


def picked_on(
    request: StaffRequest, reading: Reading[UserRow], kept: Kept, shown: Sequence[int]
) -> Picking:
    """The selection as a tick on this page left it."""
    return Picking(kept.id, kept, _acts_on_many(request), {}, shown, _clear(reading))


def _clear(reading: Reading[UserRow]) -> str:
    return f"{reverse('users:list')}{reading.link('selection')}"


def _acts_on_many(request: StaffRequest) -> list[Operation]:
    return [one for one in registered().values() if one.many and request.user.may(one.code)]


def selection_in(parameters: QueryDict) -> uuid.UUID | None:
    """The selection that a URL or a form names. Raises BadParameter."""
    text = parameters.get("selection", "")
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise BadParameter(_("“selection” is not the id of a selection.")) from None


def _wrong(request: StaffRequest, wrong: WrongFilter) -> HttpResponse:
    asked = wrong.reading.filters
    if isinstance(asked, UserFilters) and asked.wrong and [*asked.form.errors] == ["q"]:
        return _wrong_query(request, wrong.reading, asked.text, asked.wrong)
    # htmx swaps a 422 and leaves a 400 to the banner; without it the page is what was asked for:
    # wrong.
    return _form(request, wrong.reading, 422 if request.htmx else 400)


def _wrong_query(
    request: StaffRequest, reading: Reading[UserRow], text: str, wrong: QueryError
) -> HttpResponse:
    """The query again, with its wrong word marked, the reason, and what may have been meant."""
    if wrong.unfinished and request.htmx and request.htmx.trigger_name == "q":
        return HttpResponse(status=204)  # its rest is still being typed
    mended = f"{text[: wrong.start]}{wrong.suggestion}{text[wrong.end :]}"
    shown = {
        "text": text,
        "before": text[: wrong.start],
        "word": text[wrong.start : wrong.end],
        "after": text[wrong.end :],
        "start": wrong.start,
        "end": wrong.end,
        "sentence": str(wrong),
        "suggestion": wrong.suggestion,
        "link": f"{reverse('users:list')}{reading.link('q', mended)}",
    }
    context = {"reading": reading, "wrong": shown}
    if not request.htmx:
        return render(request, "users/query_wrong.html", context, status=400)
    response = render(request, "users/_query_error.html", context, status=422)
    response.headers["HX-Retarget"] = "#query-error"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _form(request: StaffRequest, reading: Reading[UserRow], status: int) -> HttpResponse:
    template = "users/_filters.html" if request.htmx else "users/filters.html"
    # The form sends its own fields; the rest of the address goes with it unseen.
    own = {*reading.filters.form.fields} - {"q"} | {"sort", "after", "before", "count"}
    kept = [(name, value) for name, value in reading.parameters.items() if name not in own]
    context = {"reading": reading, "now": reading.now, "kept": kept}
    response = render(request, template, context, status=status)
    if request.htmx:
        response.headers["HX-Retarget"] = "#filter-panel"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _is_fragment(request: StaffRequest) -> bool:
    return (
        bool(request.htmx)
        and request.htmx.target == "listing"
        and not request.htmx.history_restore_request
    )


def _address(reading: Reading[UserRow]) -> str:
    query = reading.parameters.urlencode()
    return f"{reverse('users:list')}?{query}" if query else reverse("users:list")


def _lead(request: StaffRequest, url: str) -> HttpResponse:
    """Lead the browser there; htmx as a whole page."""
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def address_of(query: str, chosen: uuid.UUID | None) -> str:
    """The list that ``query`` asks for, with this selection."""
    parameters = QueryDict(query, mutable=True)
    parameters.pop("selection", None)
    pairs = [(name, value) for name, values in parameters.lists() for value in values]
    if chosen is not None:
        pairs.append(("selection", str(chosen)))
    return f"{reverse('users:list')}?{urlencode(pairs)}"
