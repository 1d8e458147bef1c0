"""Reading a CoAI database: one consistent picture of it, whatever columns and tables it has.

A source is introspected, never assumed: names are lower-cased, unknown tables and columns are read
like known ones, and a cell arrives as None, int, float, str or bytes. Text that is not valid UTF-8
arrives with lone surrogates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.utils.translation import gettext as _

from users.imports.mysql import MySQL
from users.imports.sqlite import SQLite
from users.imports.tables import SourceUnreadable, Table
from users.imports.values import Cell

# What makes a database CoAI's: without these there is nothing to take over.
_NEEDED = {"auth": ("id", "username", "password"), "quota": ("user_id", "quota")}


class Source(Protocol):
    """A snapshot of one deployment's database."""

    location: str
    warnings: list[str]

    def tables(self) -> dict[str, Table]:
        """Every table by its lower-cased name."""
        ...

    def rows(self, table: Table) -> Iterator[dict[str, Cell]]:
        """The rows of a table, streamed, cells by lower-cased column name. One table at a time.

        Raises SourceUnreadable when the database fails meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where the deployment's database is: a file or a URL, exactly one of them."""

    sqlite: Path | None = None
    mysql: str = ""


def open_source(address: Address) -> AbstractContextManager[Source]:
    """The database as it is now, readable inside the ``with``.

    Raises SourceUnreadable, on entering, with the sentence that says why.
    """
    return SQLite(address.sqlite) if address.sqlite is not None else MySQL(address.mysql)


def require_coai(tables: dict[str, Table], location: str) -> None:
    """Raises SourceUnreadable when these are not the tables of a CoAI database."""
    for name, columns in _NEEDED.items():
        table = tables.get(name)
        if table is None:
            raise SourceUnreadable(
                _("%(where)s is no CoAI database: it has no table “%(table)s”.")
                % {"where": location, "table": name}
            )
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise SourceUnreadable(
                _(
                    "%(where)s is no CoAI database: its table “%(table)s” has no column "
                    "“%(column)s”."
                )
                % {"where": location, "table": name, "column": missing[0]}
            )
