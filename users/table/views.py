"""The views of the user table: those to start with, those that are kept, and how the table is
arranged when one of them is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

from django.core.cache import cache
from django.http import Http404, QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError

from coai_admin.console.counts import TookTooLong, patience
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Listing, Reading
from users import saved_views
from users.models import SavedView, User
from users.saved_views import Picture
from users.table.rows import UserRow

FRESH = 60  # seconds that a count is shown for
PATIENCE = 1.0  # seconds that the count of one view may take
PATIENCE_IN_ALL = 3.0  # a page of slow views must not keep a connection from others
UNKNOWN = "?"  # instead of a count that took too long
_SHOWN = 12  # views beside the table; all stand on their page
_PASSING = ("selection", "view", "columns", "after", "before", "count")


class LostView(Http404):
    """The view of the address does not exist any more, or is not for this person."""


class Starting(NamedTuple):
    """A view that everybody has from the beginning."""

    name: str
    label: str | Promise
    query: str


STARTING = (
    Starting("everyone", gettext_lazy("Everyone"), ""),
    Starting("suspended", gettext_lazy("Suspended"), "q=is%3Abanned%2Csuspended"),
    Starting("expiring", gettext_lazy("Expiring in 7 days"), "q=expires%3A7d"),
    Starting("unverified", gettext_lazy("Unverified"), "q=is%3Aunverified"),
    Starting("unseen", gettext_lazy("Never seen"), "q=seen%3Anever"),
)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How somebody looks at the table: the views they have, the one that is open, the columns that
    they usually see, and how dense the rows are."""

    views: Sequence[SavedView]
    open: SavedView | None
    columns: Sequence[str]
    density: str

    @classmethod
    def of(cls, viewer: User, parameters: QueryDict) -> Arrangement:
        """Two statements. Raises LostView."""
        views = saved_views.visible_to(viewer)
        liked = saved_views.preferences_of(viewer)
        wanted = parameters.get("view", "")
        found = next((view for view in views if str(view.pk) == wanted), None)
        if wanted.strip() and found is None:
            raise LostView(_("This view does not exist any more, or it is not shared with you."))
        if found is None:
            return cls(views, None, liked.columns, liked.density)
        return cls(views, found, found.columns or liked.columns, found.density)


@dataclass(frozen=True, slots=True)
class Tab:
    """A view beside the table. ``count`` is empty until it is known, ``UNKNOWN`` where that took
    too long; ``owner`` names whose view it is, if not one's own."""

    label: str | Promise
    url: str
    current: bool
    count: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Tabs:
    """The views beside the table, and what can be done with the one that is open: ``changed``
    says that the table shows something else than the view keeps; ``complete``: every count is
    known."""

    tabs: Sequence[Tab]
    open: SavedView | None
    mine: bool
    changed: bool
    complete: bool
    more: bool


@lru_cache(maxsize=256)
def kept_of(query: str) -> str:
    """What a view keeps of a query string: filters and order."""
    parameters = QueryDict(query, mutable=True)
    for gone in _PASSING:
        parameters.pop(gone, None)
    pairs = sorted((name, sorted(values)) for name, values in parameters.lists())
    ordered = QueryDict(mutable=True)
    for name, values in pairs:
        ordered.setlist(name, values)
    return ordered.urlencode()


def picture_of(reading: Reading[UserRow], density: str) -> Picture:
    """What is on screen."""
    columns = [column.name for column, _sight in reading.shown]
    return Picture(kept_of(reading.query), columns, density)


def address_of(view: SavedView) -> str:
    """Where the table shows a view."""
    parameters = QueryDict(view.query, mutable=True)
    parameters["view"] = str(view.pk)
    return f"{reverse('users:list')}?{parameters.urlencode()}"


def tabs(
    reading: Reading[UserRow],
    arrangement: Arrangement,
    viewer: User,
    counts: Mapping[str, str] | None = None,
) -> Tabs:
    """The views beside the table, with these counts, or with those that are fresh; no
    statement."""
    shown = arrangement.views[:_SHOWN]
    keys = [_key(one, viewer) for one in _listed(arrangement)]
    known = _fresh(keys) if counts is None else counts
    here, current = kept_of(reading.query), arrangement.open
    filters = _without_order(here)
    found = [
        Tab(
            one.label,
            f"{reverse('users:list')}?{one.query}" if one.query else reverse("users:list"),
            current is None and filters == kept_of(one.query),
            known.get(_key(one, viewer), ""),
        )
        for one in STARTING
    ]
    found += [
        Tab(
            one.name,
            reverse("views:open", args=[one.pk]),
            one == current,
            known.get(_key(one, viewer), ""),
            "" if one.owner_id == viewer.pk else one.owner.username,
        )
        for one in shown
    ]
    return Tabs(
        tabs=found,
        open=current,
        mine=current is not None and current.owner_id == viewer.pk,
        changed=current is not None and _differs(current, reading, here),
        complete=counts is not None or all(key in known for key in keys),
        more=len(arrangement.views) > len(shown),
    )


def _listed(arrangement: Arrangement) -> list[Starting | SavedView]:
    return [*STARTING, *arrangement.views[:_SHOWN]]


def _differs(view: SavedView, reading: Reading[UserRow], here: str) -> bool:
    return here != kept_of(view.query) or "columns" in reading.parameters


def _without_order(query: str) -> str:
    parameters = QueryDict(query, mutable=True)
    parameters.pop("sort", None)
    return parameters.urlencode()


def _key(view: SavedView | Starting, viewer: User) -> str:
    """A count is the same for all who see as much: it is kept for each role."""
    if isinstance(view, Starting):
        return f"views:{view.name}:{viewer.role}"
    return f"views:{view.pk}:{view.changed_at.timestamp()}:{viewer.role}"


def count(
    listing: Listing[UserRow], arrangement: Arrangement, *, viewer: User, now: datetime
) -> dict[str, str]:
    """Count every view whose count is not fresh, up to the cap, and keep it for a minute. A view
    that this person may not use has none; one that takes too long is ``UNKNOWN`` for as long."""
    wanted = {_key(one, viewer): one.query for one in _listed(arrangement)}
    known = _fresh(list(wanted))
    until = monotonic() + PATIENCE_IN_ALL
    new = {}
    for key in wanted.keys() - known.keys():
        left = min(PATIENCE, until - monotonic())
        new[key] = _count(listing, wanted[key], viewer, now, left) if left > 0 else UNKNOWN
    with suppress(RedisError):  # without Valkey they are counted again the next time
        cache.set_many(new, FRESH)
    return known | new


def _fresh(keys: Sequence[str]) -> dict[str, str]:
    try:
        return cache.get_many(keys)
    except RedisError:
        return {}


def _count(
    listing: Listing[UserRow], query: str, viewer: User, now: datetime, seconds: float
) -> str:
    try:
        with patience(seconds):
            return str(listing.read(QueryDict(query), viewer=viewer, now=now).count)
    except BadParameter:
        return "–"
    except TookTooLong:
        return UNKNOWN
