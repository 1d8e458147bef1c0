"""Reads that nearly every page makes: the ORM puts their SQL together once in a process, not for
each request, which would take longer than PostgreSQL takes to answer::

    @statement
    def _facts(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
        return User.objects.filter(among("pk", ids)).values_list("pk", "role")

    rows = _facts(array([5, 7]))

The function is called once, with a placeholder for each argument; so these can only be values that
stand in the SQL as parameters, and neither lengths (``among`` takes any number of ids as one) nor
names. What it returns is then called with the values, and gives the rows as a list.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, Generic, TypeVar, cast

from django.db import connections
from django.db.backends.postgresql.compiler import SQLCompiler
from django.db.models import QuerySet, Value
from django.db.models.sql import Query

Row = TypeVar("Row")
_OF_ITS_CONNECTION = frozenset({"query", "connection", "using"})


class _Given:
    """Where the argument of this number goes."""

    def __init__(self, number: int) -> None:
        self.number = number


class _Kept:
    """SQL, its parameters, and what a compiler found out while it wrote them: which columns make
    which objects."""

    sql: str = ""
    parameters: tuple[Any, ...] = ()
    findings: dict[str, Any] = {}


class _Query(Query):
    kept: _Kept
    arguments: tuple[Any, ...]

    def get_compiler(self, using: Any = None, connection: Any = None, *options: Any) -> _Compiler:
        return _Compiler(self, connection or connections[using], using, *options)


class _Compiler(SQLCompiler):
    query: _Query

    def as_sql(self, *options: Any, **others: Any) -> tuple[str, tuple[Any, ...]]:
        kept = self.query.kept
        if not kept.sql:
            sql, kept.parameters = super().as_sql(*options, **others)
            kept.findings = {
                name: value for name, value in vars(self).items() if name not in _OF_ITS_CONNECTION
            }
            kept.sql = sql
        vars(self).update(kept.findings)
        return kept.sql, tuple(
            self.query.arguments[each.number] if isinstance(each, _Given) else each
            for each in kept.parameters
        )


class Statement(Generic[Row]):
    """What ``statement`` makes of a function."""

    def __init__(self, build: Callable[..., QuerySet[Any, Row]]) -> None:
        self._build = build
        self._rows: QuerySet[Any, Row] | None = None

    def __call__(self, *arguments: Any) -> list[Row]:
        """The rows for these values of the parameters. One statement."""
        if self._rows is None:
            self._rows = self._put_together()
        rows = self._rows.all()
        cast("_Query", rows.query).arguments = arguments
        return list(rows)

    def _put_together(self) -> QuerySet[Any, Row]:
        number = len(signature(self._build).parameters)
        rows = self._build(*(Value(_Given(each)) for each in range(number)))
        rows.query.__class__ = _Query  # as Query.chain does; a new query would forget values_list
        cast("_Query", rows.query).kept = _Kept()
        return rows


def statement(build: Callable[..., QuerySet[Any, Row]]) -> Statement[Row]:
    """Put this read together once (see above)."""
    return Statement(build)
