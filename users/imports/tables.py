"""A table of a source as introspection shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

# The columns by which a table names its user, most telling first; CoAI's own tables and the usual
# words elsewhere.
_OWNERS = ("user_id", "userid", "uid", "used_id", "poster_id", "owner_id")


class SourceUnreadable(Exception):
    """The database cannot be read; the text is the sentence for the terminal. Nothing was
    written."""


@dataclass(frozen=True, slots=True)
class Table:
    """``name`` and ``columns`` lower-cased, as the source spells them in ``spelled`` and
    ``spellings``; ``key``: the primary key, empty when there is none; ``kinds``: the declared
    types, lower-cased; ``rows``: how many, about."""

    name: str
    spelled: str
    columns: tuple[str, ...]
    spellings: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]
    rows: int
    key_is_number: bool = False

    @property
    def owner(self) -> str | None:
        """The column that names the row's user, if there is one."""
        return next((name for name in _OWNERS if name in self.columns), None)


def quoted(name: str, mark: str) -> str:
    """An identifier for an SQL statement: between marks, marks inside doubled."""
    return mark + name.replace(mark, mark * 2) + mark


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Tables by lower-cased name. Of two that differ only in case (MySQL on Linux allows it) the
    one spelled in lower case has the name, the other is known as it is spelled."""
    found: dict[str, Table] = {}
    for table in sorted(tables, key=lambda table: (table.spelled != table.name, table.spelled)):
        name = table.name if table.name not in found else table.spelled
        found[name] = replace(table, name=name)
    return dict(sorted(found.items()))
