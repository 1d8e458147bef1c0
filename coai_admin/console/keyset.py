"""Paging by position instead of by number: the page after a row is found through an index, however deep it is.

A sort orders rows by a key that is never NULL, then by id. Where no index can hold the key (a state that depends on
the time of day), the sort names segments instead: conditions that divide the rows, listed in order; each is read
through its own index and the results are put together in one statement.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

_LONGEST_CURSOR = 4_000
_BIGGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An order of rows: by ``key`` (None: by id alone), then by id, so that no two rows tie.

    ``key``: an expression or field path that is never NULL, with an index on (key, id). ``field``: what the key is, to
    read it back from a cursor. ``where``: what holds for every row and lets the key of a joined row be found through
    its index (an outer join hides it). ``segments(now)``: conditions that divide all rows, in ascending order; reversed
    when the sort descends. ``last(now)``: the condition of rows that stand at the end in both directions (blanks).
    """

    key: Any = None
    field: models.Field[Any, Any] = models.BigIntegerField()  # noqa: RUF009 (fields are never changed)
    where: Q = Q()
    segments: Callable[[datetime], Sequence[Q]] | None = None
    last: Callable[[datetime], Q] | None = None

    def parts(self, now: datetime, *, descending: bool) -> list[Q]:
        """The conditions in reading order; one empty condition when the sort has no segments."""
        parts = list(self.segments(now)) if self.segments else [Q()]
        if descending:
            parts.reverse()
        if self.last is None:
            return parts
        blank = self.last(now)
        return [*(part & ~blank for part in parts), blank]


class Position(NamedTuple):
    """Where a row stands in an order: its segment, its key and its id."""

    part: int
    key: Any
    pk: int


@dataclass(frozen=True, slots=True)
class Order:
    """A sort in one direction at one moment."""

    name: str
    sort: Sort
    now: datetime
    descending: bool
    pk: str = "pk"

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
        """The next ``limit`` positions behind ``after`` (from the start when None), in this order; with
        ``backwards`` those before it, nearest first. One statement."""
        parts = list(enumerate(self.sort.parts(self.now, descending=self.descending)))
        if backwards:
            parts.reverse()
        if after is not None:
            parts = [part for part in parts if (part[0] > after.part) is not backwards or part[0] == after.part]
        reads = [
            self._part(rows, number, condition, limit, after, backwards=backwards)
            for number, condition in parts
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
        condition: Q,
        limit: int,
        after: Position | None,
        *,
        backwards: bool,
    ) -> models.QuerySet[Any, tuple[Any, ...]]:
        falls = self.descending is not backwards
        rows = self._keyed(rows.filter(condition))
        if after is not None and after.part == number:
            rows = rows.filter(self._beyond(after, falls=falls))
        direction = "-" if falls else ""
        ordering = [f"{direction}_key"] if self.sort.key is not None else []
        return (
            rows.annotate(_part=Value(number), _pk=F(self.pk))
            .order_by(*ordering, f"{direction}{self.pk}")
            .values_list("_part", "_key", "_pk")[:limit]
        )

    def _keyed(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        key = self.sort.key
        if key is None:
            return rows.filter(self.sort.where).annotate(_key=Value(0))
        return rows.filter(self.sort.where).annotate(_key=F(key) if isinstance(key, str) else key)

    def _beyond(self, after: Position, *, falls: bool) -> Any:
        compare = TupleLessThan if falls else TupleGreaterThan
        if self.sort.key is None:
            return Q(**{f"{self.pk}__lt" if falls else f"{self.pk}__gt": after.pk})
        key = Value(after.key, output_field=self.sort.field)
        return compare(Tuple(F("_key"), F(self.pk)), (key, Value(after.pk)))

    def apply(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """All rows in this order, for an export: sorted once, not paged."""
        parts = self.sort.parts(self.now, descending=self.descending)
        direction = "-" if self.descending else ""
        ordering: list[str] = []
        if len(parts) > 1:
            whens = [When(part, then=Value(number)) for number, part in enumerate(parts)]
            rows = rows.alias(_part=Case(*whens, default=Value(len(parts))))
            ordering.append("_part")
        if self.sort.key is not None:
            key = self.sort.key
            rows = rows.filter(self.sort.where).alias(_key=F(key) if isinstance(key, str) else key)
            ordering.append(f"{direction}_key")
        return rows.order_by(*ordering, f"{direction}{self.pk}")

    def cursor(self, position: Position) -> str:
        """Write a position as it stands in a URL."""
        key = None if self.sort.key is None else self._text(position.key)
        text = json.dumps([self.parameter, position.part, key, position.pk], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def position(self, cursor: str) -> Position:
        """Read a position from a URL. Raises ValueError for anything that this order did not write."""
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError("too long")
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            parameter, part, key, pk = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, UnicodeError, RecursionError, TypeError) as error:
            raise ValueError("not a cursor") from error
        parts = len(self.sort.parts(self.now, descending=self.descending))
        if parameter != self.parameter or type(part) is not int or not 0 <= part < parts:
            raise ValueError("of another order")
        if type(pk) is not int or not 0 <= pk <= _BIGGEST_ID:
            raise ValueError("not a row")
        return Position(part, self._value(key), pk)

    @staticmethod
    def _text(key: Any) -> str:
        return key.isoformat() if isinstance(key, datetime) else str(key)

    def _value(self, text: Any) -> Any:
        if self.sort.key is None:
            if text is not None:
                raise ValueError("a key where none belongs")
            return None
        if not isinstance(text, str) or "\x00" in text:
            raise ValueError("not a key")
        try:
            value = self.sort.field.to_python(text)
        except (ValidationError, ArithmeticError) as error:
            raise ValueError("not a key") from error
        if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) < 100):
            raise ValueError("not a number")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError("without a zone")
        if isinstance(value, int) and abs(value) > _BIGGEST_ID:
            raise ValueError("out of range")
        return value
