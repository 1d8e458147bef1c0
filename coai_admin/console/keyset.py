"""Paging by position instead of by number: the page after a row is found through an index, however
deep it is.

A sort orders rows by a key that is never NULL, then by id. Where no index can hold the key (a state
that depends on the time of day), the sort names segments instead: conditions that divide the rows,
listed in order; each is read through its own index, as far as it is needed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.db.models.functions import Cast

from coai_admin.console.characters import storable

_LONGEST_CURSOR = 4_000
_BIGGEST_ID = 2**63 - 1


class Segment(NamedTuple):
    """Some of the rows of an order. Without a key they stand in the order of their ids."""

    condition: Q
    keyed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An order of rows: by ``key`` (None: by id alone), then by id, so that no two rows tie.

    ``key``: an expression or field path that is never NULL, with an index on (key, id). ``field``:
    what the key is, to read it back from a cursor. ``where``: what holds for every row and lets the
    key of a joined row be found through its index (an outer join hides it); ``tie``: the path to
    the id in that same joined row, because PostgreSQL compares through an index only what stands in
    one table. ``segments(now)``: what divides all rows, in ascending order; reversed when the sort
    descends. ``last``: the condition of rows that stand at the end in both directions, for blanks;
    the other segments leave them out in words that an index of theirs can have too.
    """

    key: Any = None
    field: models.Field[Any, Any] = models.BigIntegerField()  # noqa: RUF009 (fields are never changed)
    where: Q = Q()  # noqa: RUF009 (conditions are never changed either)
    tie: str = ""
    segments: Callable[[datetime], Sequence[Segment | Q]] | None = None
    last: Q | None = None

    def parts(self, now: datetime, *, descending: bool) -> list[Segment]:
        """The segments in reading order; one of all rows when the sort has none."""
        found = self.segments(now) if self.segments else [Q()]
        parts = [one if isinstance(one, Segment) else Segment(one) for one in found]
        if descending:
            parts.reverse()
        return parts if self.last is None else [*parts, Segment(self.last, keyed=False)]


class Position(NamedTuple):
    """Where a row stands in an order: its segment, its key and its id."""

    part: int
    key: Any
    pk: int


@dataclass(frozen=True)
class Order:
    """A sort in one direction at one moment."""

    name: str
    sort: Sort
    now: datetime
    descending: bool
    pk: str = "pk"

    @property
    def tie(self) -> str:
        """The path to the id that orders rows of equal keys."""
        return self.sort.tie or self.pk

    @cached_property
    def _parts(self) -> list[Segment]:
        return self.sort.parts(self.now, descending=self.descending)

    @property
    def parameter(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    def read(
        self,
        rows: models.QuerySet[Any],
        *,
        limit: int,
        after: Position | None = None,
        backwards: bool = False,
    ) -> list[Position]:
        """The next ``limit`` positions behind ``after`` (from the start when None), in this order;
        with ``backwards`` those before it, nearest first. Segments are asked one by one, because
        most pages lie within one and asking all of them takes several times as long; after two,
        those that are left together. At most three statements."""
        numbers = list(range(len(self._parts)))
        if backwards:
            numbers.reverse()
        if after is not None:
            numbers = numbers[numbers.index(after.part) :]
        found: list[Position] = []
        for some in filter(None, (numbers[:1], numbers[1:2], numbers[2:])):
            found += self._of(some, rows, limit - len(found), after, backwards=backwards)
            if len(found) >= limit:
                break
        return found

    def _of(
        self,
        numbers: Sequence[int],
        rows: models.QuerySet[Any],
        limit: int,
        after: Position | None,
        *,
        backwards: bool,
    ) -> list[Position]:
        """The next positions in the segments of these numbers. One statement."""
        reads = [
            self._part(
                rows.filter(self._parts[number].condition),
                number,
                limit,
                after,
                backwards=backwards,
            )
            for number in numbers
        ]
        if len(reads) == 1:
            return [Position(*row) for row in reads[0]]
        joined = reads[0].union(*reads[1:], all=True)
        falls = self.descending is not backwards
        direction = "-" if falls else ""
        ordering = ["-_part" if backwards else "_part", f"{direction}_key", f"{direction}_pk"]
        return [Position(*row) for row in joined.order_by(*ordering)[:limit]]

    def _part(
        self,
        rows: models.QuerySet[Any],
        number: int,
        limit: int,
        after: Position | None,
        *,
        backwards: bool,
    ) -> models.QuerySet[Any, tuple[Any, ...]]:
        falls = self.descending is not backwards
        keyed = self._has_key(number)
        rows = rows.filter(self.sort.where).annotate(_key=self._key if keyed else self._no_key)
        if after is not None and after.part == number:
            rows = rows.filter(self._beyond(after, keyed=keyed, falls=falls))
        direction = "-" if falls else ""
        ordering = [f"{direction}_key", f"{direction}_pk"] if keyed else [f"{direction}_pk"]
        rows = rows.annotate(_part=Value(number), _pk=F(self.tie)).order_by(*ordering)
        return rows.values_list("_part", "_key", "_pk")[:limit]

    def _has_key(self, part: int) -> bool:
        """Whether the rows of a segment have a key, or only their ids."""
        return self.sort.key is not None and self._parts[part].keyed

    @property
    def _key(self) -> Any:
        return F(self.sort.key) if isinstance(self.sort.key, str) else self.sort.key

    @property
    def _no_key(self) -> Cast:
        # Cast, because a UNION that begins with two bare NULLs takes them for text.
        return Cast(Value(None), self.sort.field)

    def _beyond(self, after: Position, *, keyed: bool, falls: bool) -> Any:
        if not keyed:
            return Q(**{f"{self.tie}__lt" if falls else f"{self.tie}__gt": after.pk})
        compare = TupleLessThan if falls else TupleGreaterThan
        key = Value(after.key, output_field=self.sort.field)
        return compare(Tuple(F("_key"), F(self.tie)), (key, Value(after.pk)))

    def apply(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """All rows in this order, for an export: sorted once, not paged."""
        direction = "-" if self.descending else ""
        ordering: list[str] = []
        if len(self._parts) > 1:
            whens = [
                When(part.condition, then=Value(number)) for number, part in enumerate(self._parts)
            ]
            rows = rows.alias(_part=Case(*whens))
            ordering.append("_part")
        if self.sort.key is not None:
            rows = rows.alias(_key=self._key)
            ordering.append(f"{direction}_key")
        return rows.filter(self.sort.where).order_by(*ordering, f"{direction}{self.pk}")

    def cursor(self, position: Position) -> str:
        """Write a position as it stands in a URL."""
        key = _as_text(position.key) if self._has_key(position.part) else None
        text = json.dumps([self.parameter, position.part, key, position.pk], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def position(self, cursor: str) -> Position:
        """Read a position from a URL. Raises ValueError for what this order did not write."""
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError("too long")
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            parameter, part, key, pk = json.loads(
                base64.b64decode(padded, altchars=b"-_", validate=True)
            )
        except (binascii.Error, UnicodeError, RecursionError, TypeError) as error:
            raise ValueError("not a cursor") from error
        if parameter != self.parameter or type(part) is not int or not 0 <= part < len(self._parts):
            raise ValueError("of another order")
        if type(pk) is not int or not 0 <= pk <= _BIGGEST_ID:
            raise ValueError("not a row")
        return Position(part, self._value(key, keyed=self._has_key(part)), pk)

    def _value(self, text: Any, *, keyed: bool) -> Any:
        if not keyed:
            if text is not None:
                raise ValueError("a key where none belongs")
            return None
        if not isinstance(text, str) or not storable(text):
            raise ValueError("not a key")
        try:
            value = self.sort.field.to_python(text)
            if isinstance(value, datetime) and value.tzinfo is not None:
                value = value.astimezone(UTC)  # PostgreSQL does not know every offset
        except (ValidationError, ArithmeticError) as error:
            raise ValueError("not a key") from error
        if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) < 100):
            raise ValueError("not a number")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError("without a zone")
        if isinstance(value, int) and abs(value) > _BIGGEST_ID:
            raise ValueError("out of range")
        return value


def _as_text(key: Any) -> str:
    return key.isoformat() if isinstance(key, datetime) else str(key)
