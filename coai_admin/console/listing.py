"""List pages. A ``Listing`` is declared once; page, fragment, export, "select all matching" and
REST list read it, so that they cannot disagree about what is in the list, in which order, and what
its reader may see.

Declaring one takes a few lines (ENTRIES, audit/listing.py)::

    class EntryFilters(Filters):
        action = AnyOf(label=_("Action"), choices=...)
        since = DayFrom("created_at", label=_("From"))

    ENTRIES = Listing(
        name="audit",
        rows=lambda viewer, now: AuditEntry.objects.all(),  # what this viewer may list, unordered
        columns=(
            Column(
                name="created",
                label=_("When"),
                kind=Kind.DATE,
                read=lambda now: F("created_at"),  # its value in an export
                sort=Sort(key="created_at", field=DateTimeField()),  # index on (created_at, id)
            ),
            Column(name="action", label=_("Action")),  # not sortable
        ),
        default="-created",
        filters=EntryFilters,
        facts=lambda ids, viewer, now: ...,  # what the template needs of these rows, each with .pk
    )

and a view; a BadParameter is a 400 that names the word::

    reading = ENTRIES.read(request.GET, viewer=request.user, now=now)
    return render(request, "audit/list.html", {"reading": reading, "page": reading.page()})

The template draws the rows (its own ``<tr>``) between what is the same on every list page, in
templates/listing/: ``_chips.html`` (filters that are on), ``_headings.html`` (the cells of the
header row, sortable), ``_foot.html`` (count and pages). They take ``reading`` and ``page`` from the
context. Around them, ``<div id="listing" data-listing>`` makes scripts fetch only this part
(static/console/js/listing.js); the view then answers with it alone.

A page costs one statement for the capped count, one for its ids (by the sorted index, ``keyset``;
of the few that match, where they are few: ``counts.matching``), and those of ``facts``. What
somebody does not see in full (``Column.sight``) they cannot sort by; filters check it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import models
from django.http import QueryDict
from django.utils.translation import gettext as _
from django_filters import MultipleChoiceFilter

from coai_admin.console import counts
from coai_admin.console.characters import storable
from coai_admin.console.columns import Column, Sight, Viewer
from coai_admin.console.counts import Count, Matching
from coai_admin.console.filters import BadParameter, Chip, Filters
from coai_admin.console.keyset import Order, Position

Row = TypeVar("Row")

PAGE_SIZE = 50
_PLACE = ("after", "before")
_CONTROL = frozenset({"sort", "count", *_PLACE})
_COLUMNS = "columns"
_END, _EXACT = "end", "exact"


class NoFilters(Filters):
    """A listing without filters."""


class Heading(NamedTuple):
    """A cell of the header row. ``link`` sorts by the column (empty when nobody may); ``direction``
    is how the list is sorted by it now: "ascending", "descending" or empty."""

    column: Column
    link: str
    direction: str


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page: its rows in order, and the links to its neighbours (empty where there is none).
    ``more``: what ``Column.fetch`` brought, by column and id."""

    rows: Sequence[Row]
    first: str
    previous: str
    next: str
    last: str
    more: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether everything is on this page."""
        return not (self.previous or self.next)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Row]):
    """What a list page lists. ``pk`` is the id that breaks ties and that ``facts`` is asked for.
    ``extra`` names parameters of the page that are not the listing's own (they stay in its
    links). ``choosable``: its readers choose which columns they see, and in which order."""

    name: str
    rows: Callable[[Viewer, datetime], models.QuerySet[Any]]
    columns: tuple[Column, ...]
    default: str
    facts: Callable[[Sequence[int], Viewer, datetime], Iterable[Row]]
    filters: type[Filters] = NoFilters
    pk: str = "pk"
    page_size: int = PAGE_SIZE
    extra: frozenset[str] = field(default_factory=frozenset)
    choosable: bool = False

    def read(
        self,
        parameters: QueryDict,
        *,
        viewer: Viewer,
        now: datetime,
        columns: Sequence[str] = (),
    ) -> Reading[Row]:
        """The list as this person asks for it. Empty parameters count as absent. ``columns``: what
        they usually look at, by name, where the parameters (``columns=tier,credits``) do not say;
        those that do not exist for them are left out.

        Raises BadParameter for a parameter that is unknown, repeated or of an impossible order or
        place, and its subclass WrongFilter for a filter's value.
        """
        given = _without_blanks(parameters)
        order = self._order(given.get("sort", self.default), viewer, now)
        filters = self.filters(given, self.rows(viewer, now), viewer=viewer, now=now)
        known = filters.names | _CONTROL | self.extra | ({_COLUMNS} if self.choosable else set())
        for name in given:
            if name not in known:
                raise BadParameter(
                    _("There is no filter named “%(name)s”.") % {"name": _short(name)}
                )
            if len(given.getlist(name)) > 1 and not _takes_many(filters, name):
                raise BadParameter(_("“%(name)s” is given more than once.") % {"name": name})
        if all(name in given for name in _PLACE):
            raise BadParameter(_("“after” and “before” cannot be given together."))
        if given.get("count", _EXACT) != _EXACT:
            raise BadParameter(_("“count” can only be “exact”."))
        if order.parameter == self.default:
            given.pop("sort", None)
        shown = self._shown(given.get(_COLUMNS, ""), columns, viewer)
        reading = Reading(self, viewer, now, given, order, filters, shown)
        reading.place  # noqa: B018 (a wrong cursor is refused here, not when the page is drawn)
        if not filters.is_valid():
            raise WrongFilter(reading)
        return reading

    def _shown(
        self, asked: str, usual: Sequence[str], viewer: Viewer
    ) -> tuple[tuple[Column, Sight], ...]:
        """The columns of the page, in order."""
        offered = {column.name: (column, sight) for column, sight in self.offered(viewer)}
        for name in filter(None, asked.split(",")):
            if name not in offered:
                raise BadParameter(
                    _("There is no column named “%(name)s”.") % {"name": _short(name)}
                )
        chosen = [name for name in asked.split(",") if name] or [*filter(offered.get, usual)]
        if not chosen:
            chosen = [name for name, (column, _sight) in offered.items() if column.default]
        pinned = [name for name, (column, _sight) in offered.items() if column.pinned]
        return tuple(offered[name] for name in dict.fromkeys([*pinned, *chosen]))

    def offered(self, viewer: Viewer) -> list[tuple[Column, Sight]]:
        """The columns that this person may have on the page, and how much of each they see."""
        seen = ((column, column.sight(viewer)) for column in self.columns if column.on_page)
        return [(column, sight) for column, sight in seen if sight is not Sight.NONE]

    def _order(self, wanted: str, viewer: Viewer, now: datetime) -> Order:
        name, descending = wanted.removeprefix("-"), wanted.startswith("-")
        column = next((column for column in self.columns if column.name == name), None)
        if column is None or column.sort is None or column.sight(viewer) is not Sight.FULL:
            raise BadParameter(
                _("The list cannot be sorted by “%(name)s”.") % {"name": _short(name)}
            )
        return Order(name, column.sort, now, descending, self.pk)


@dataclass
class Reading(Generic[Row]):
    """A listing as one person reads it at one moment."""

    listing: Listing[Row]
    viewer: Viewer
    now: datetime
    parameters: QueryDict
    order: Order
    filters: Filters
    shown: tuple[tuple[Column, Sight], ...]

    @cached_property
    def place(self) -> tuple[str, Position | None]:
        """Which neighbour of which position is asked for: ("after" | "before" | "", position)."""
        for name in _PLACE:
            if name in self.parameters:
                cursor = str(self.parameters[name])
                if name == "before" and cursor == _END:
                    return name, None
                try:
                    return name, self.order.position(cursor)
                except ValueError:
                    raise BadParameter(
                        _("“%(name)s” is not a place in this list.") % {"name": name}
                    ) from None
        return "", None

    @cached_property
    def rows(self) -> models.QuerySet[Any]:
        """Everything that matches, unordered."""
        return self.filters.qs

    @cached_property
    def filtered(self) -> bool:
        """Whether any filter is on."""
        return any(True for _each in self.filters.values())

    @cached_property
    def matching(self) -> Matching:
        """How many match, up to the cap; and which, when they are few."""
        if not self.filtered:
            return Matching(counts.capped(self.rows), None)
        return counts.matching(self.rows, self.listing.pk)

    def page(self) -> Page[Row]:
        """The page that is asked for."""
        found, before, behind = self._positions()
        facts = (
            self.listing.facts([position.pk for position in found], self.viewer, self.now)
            if found
            else ()
        )
        by_pk = {row.pk: row for row in facts}  # type: ignore[attr-defined]
        rows = [by_pk[position.pk] for position in found if position.pk in by_pk]
        return Page(
            rows,
            first=self.link(),
            previous=self.link("before", self.order.cursor(found[0])) if before and found else "",
            next=self.link("after", self.order.cursor(found[-1])) if behind and found else "",
            last=self.link("before", _END),
            more=self.fetched([row.pk for row in rows]),  # type: ignore[attr-defined]
        )

    def _positions(self) -> tuple[list[Position], bool, bool]:
        """The positions of the page, and whether there are rows before and behind it."""
        size = self.listing.page_size
        direction, position = self.place
        backwards = direction == "before"
        rows = self.rows
        if (ids := self.matching.ids) is not None:
            if not self.matching.count.number:
                return [], False, False
            rows = self.listing.rows(self.viewer, self.now).filter(
                counts.among(ids, self.listing.pk)
            )
        found = self.order.read(rows, limit=size + 1, after=position, backwards=backwards)
        if not backwards:
            return found[:size], direction != "", len(found) > size
        if len(found) < size and position is not None:
            # Too few rows are left before it to fill a page: that is the first page.
            found = self.order.read(rows, limit=size + 1)
            return found[:size], False, len(found) > size
        return found[:size][::-1], len(found) > size, position is not None

    @cached_property
    def count(self) -> Count:
        """How many match: up to the cap, or exactly when that was asked for (``count=exact``)."""
        if "count" in self.parameters and self.matching.count.more:
            return counts.exact(self.rows)
        return self.matching.count

    def exact_link(self) -> str:
        """The address of this same page with the exact count; empty when the count is exact."""
        if not self.count.more:
            return ""
        parameters = self.parameters.copy()
        parameters["count"] = _EXACT
        return f"?{parameters.urlencode()}"

    def ids(self) -> models.QuerySet[Any, int]:
        """The ids of everything that matches, for a selection."""
        return self.rows.order_by().values_list(self.listing.pk, flat=True)

    def ordered(self) -> models.QuerySet[Any]:
        """Everything that matches, in the order of the page, for an export."""
        return self.order.apply(self.rows)

    def columns(self) -> list[tuple[Column, Sight]]:
        """The columns this person sees, and how much of each."""
        seen = ((column, column.sight(self.viewer)) for column in self.listing.columns)
        return [(column, sight) for column, sight in seen if sight is not Sight.NONE]

    def headings(self) -> list[Heading]:
        """The header row. Figures are sorted from the top first, all else from the bottom."""
        return [self._heading(column, sight) for column, sight in self.shown]

    def fetched(self, ids: Sequence[int]) -> dict[str, Mapping[int, Any]]:
        """What shown columns fetch of these rows by statements of their own: by column, then by
        id."""
        return {
            column.name: column.fetch(ids) if ids else {}
            for column, _sight in self.shown
            if column.fetch is not None
        }

    def _heading(self, column: Column, sight: Sight) -> Heading:
        if column.sort is None or sight is not Sight.FULL:
            return Heading(column, "", "")
        if column.name == self.order.name:
            turned = column.name if self.order.descending else f"-{column.name}"
            now = "descending" if self.order.descending else "ascending"
            return Heading(column, self.link("sort", turned), now)
        wanted = f"-{column.name}" if column.numeric else column.name
        return Heading(column, self.link("sort", wanted), "")

    def orders(self) -> list[tuple[str, str]]:
        """Every order of the list for a choice: its parameter, and "Credits, descending"."""
        names = []
        for column, sight in self.columns():
            if column.sort is not None and sight is Sight.FULL:
                names.append((column.name, _("%(column)s, ascending") % {"column": column.label}))
                names.append(
                    (f"-{column.name}", _("%(column)s, descending") % {"column": column.label})
                )
        return names

    def chips(self) -> list[tuple[Chip, str]]:
        """The filters that are on, each with the link that takes it away."""
        return [(chip, self.link(chip.name, chip.rest)) for chip in self.filters.chips()]

    def clear_link(self) -> str:
        """The address (``?…``) of the same list without filters, in the same order."""
        kept = QueryDict(mutable=True)
        for name in ("sort", _COLUMNS, *sorted(self.listing.extra)):
            if name in self.parameters:
                kept[name] = str(self.parameters[name])
        return f"?{kept.urlencode()}"

    def link(self, name: str = "", value: str = "") -> str:
        """The address (``?…``) of the first page of this list with one parameter replaced, or
        taken away when the value is empty."""
        parameters = self.parameters.copy()
        for gone in (*_PLACE, "count", name):
            parameters.pop(gone, None)
        if value and (name, value) != ("sort", self.listing.default):
            parameters[name] = value
        return f"?{parameters.urlencode()}"

    @property
    def query(self) -> str:
        """What is listed, as a query string without the place: the same list, to keep or to send
        on."""
        return self.link().removeprefix("?")


class WrongFilter(BadParameter):
    """A filter was given a value that it does not understand; ``reading.filters.form`` holds what
    was typed."""

    def __init__(self, reading: Reading[Any]):
        self.reading = reading
        [(name, messages), *_rest] = reading.filters.form.errors.items()
        label = (
            reading.filters.form.fields[name].label if name in reading.filters.form.fields else name
        )
        super().__init__(
            _("%(label)s (“%(name)s”): %(message)s")
            % {"label": label, "name": name, "message": messages[0]}
        )


def _takes_many(filters: Filters, name: str) -> bool:
    return name in filters.names and isinstance(filters.base_filters[name], MultipleChoiceFilter)


def _without_blanks(parameters: QueryDict) -> QueryDict:
    given = QueryDict(mutable=True)
    for name, values in parameters.lists():
        if not all(map(storable, (name, *values))):
            raise BadParameter(_("%(name)s holds what is no text.") % {"name": ascii(name)[:40]})
        kept = [value for value in values if value.strip()]
        if kept:
            given.setlist(name, kept)
    return given


def _short(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}…"
