"""Picking rows by many ids."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import BooleanField, F, Func, Value


def among(column: str, ids: Collection[int] | Value) -> Func:
    """The condition that ``column`` is one of ``ids``, for filter(). They are sent as one array,
    as text: an IN list of thousands, or a list for psycopg, takes longer to write than to run.
    A ``statement`` takes that text (``array``) as its parameter."""
    return Func(
        F(column),
        ids if isinstance(ids, Value) else Value(array(ids)),
        template="%(expressions)s::bigint[])",
        arg_joiner=" = ANY (",
        output_field=BooleanField(),
    )


def array(ids: Collection[int]) -> str:
    """These ids as PostgreSQL writes an array."""
    return "{" + ",".join(map(str, ids)) + "}"
