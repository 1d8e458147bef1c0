"""Honest counts: exact up to a cap, "10,000+" beyond it, exact on demand. And what counting finds
out on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import OperationalError, connections, models, transaction
from django.db.models import BooleanField, F, Func, Value
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

CAP = 10_000


class Count(NamedTuple):
    """How many rows there are, or that there are more than ``number`` of them."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        text = f"{self.number:,}"
        return _("%(number)s+") % {"number": text} if self.more else text


class TookTooLong(Exception):
    """A statement was ended because its time was up."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """PostgreSQL ends each statement in here that takes longer. Raises TookTooLong; what was
    written in here is undone then."""
    milliseconds = max(1, round(seconds * 1_000))
    try:
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TookTooLong from error


@dataclass(frozen=True, slots=True)
class Matching:
    """How many rows match, and which, when they are not more than the cap: an array as PostgreSQL
    writes it (``{5,7}``), because reading and writing thousands of numbers takes longer than to
    find them."""

    count: Count
    ids: str | None


def matching(rows: models.QuerySet[Any], pk: str) -> Matching:
    """Count up to the cap and bring the ids of what was counted.

    PostgreSQL assumes that the rows of a filter are spread evenly over every order. For a rare word
    or a range at the far end it then walks a million rows of the sorted index to find fifty.
    Without an order it takes the index of the filter; and where few rows match, only these need to
    be sorted.
    """
    some = rows.order_by().values(_id=F(pk))[: CAP + 1]
    sql, params = some.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(
            # The inner statement is the ORM's own; its parameters stay parameters.
            f"SELECT count(*), CASE WHEN count(*) <= {CAP} THEN array_agg(_id)::text END "  # noqa: S608
            f"FROM ({sql}) AS matching",
            params,
        )
        found, ids = cursor.fetchone()
    if found > CAP:
        return Matching(Count(CAP, more=True), None)
    return Matching(Count(found), ids or "{}")


def capped(rows: models.QuerySet[Any]) -> Count:
    """Count up to the cap: reading stops there, so the time does not grow with the table."""
    found = rows.order_by()[: CAP + 1].count()
    return Count(min(found, CAP), more=found > CAP)


def exact(rows: models.QuerySet[Any]) -> Count:
    """Count all of them, however long that takes."""
    return Count(rows.order_by().count())


def among(ids: Sequence[int] | str, pk: str) -> Func:
    """The condition that a row is one of these: one parameter, however many there are."""
    array = ids if isinstance(ids, str) else f"{{{','.join(map(str, ids))}}}"
    template = {"template": "%(expressions)s::bigint[])", "arg_joiner": " = ANY("}
    return Func(F(pk), Value(array), output_field=BooleanField(), **template)
