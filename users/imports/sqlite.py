"""Reading a CoAI database in SQLite. The file is copied through SQLite's backup API into a private
temporary database first: one consistent state, also while CoAI writes, and nobody waits for us.
SQLite removes the copy itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from django.utils.translation import gettext as _

from users.imports.tables import SourceUnreadable, Table, by_name, quoted
from users.imports.values import Cell

_FETCH = 2_000
_PATIENCE = 10.0


class SQLite:
    """A CoAI database file, as it was when it was entered."""

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self.warnings: list[str] = []
        self._path = path
        self._copy: sqlite3.Connection

    def __enter__(self) -> Self:
        if not self._path.is_file():
            raise SourceUnreadable(_("There is no file %(path)s.") % {"path": self._path})
        copy = sqlite3.connect("")  # private, on disk, unlinked by SQLite as soon as it is made
        try:
            with _Opened(self._path) as original:
                original.backup(copy)
        except (sqlite3.Error, OSError) as error:
            copy.close()
            raise SourceUnreadable(
                _("%(path)s cannot be read as an SQLite database: %(error)s.")
                % {"path": self._path, "error": error}
            ) from error
        copy.text_factory = _text
        self._copy = copy
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._copy.close()

    def tables(self) -> dict[str, Table]:
        """Every table but SQLite's own and virtual ones (the tables that hold their contents are
        there)."""
        found = self._ask("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name")
        names = [str(name) for name, _sql in found if not str(name).startswith("sqlite_")]
        virtual = [
            str(name) for name, sql in found if str(sql).upper().startswith("CREATE VIRTUAL")
        ]
        if virtual:
            self.warnings.append(
                _("Virtual tables are read through the tables behind them: %(tables)s.")
                % {"tables": ", ".join(virtual)}
            )
        return by_name(self._table(name) for name in names if name not in virtual)

    def rows(self, table: Table) -> Iterator[dict[str, Cell]]:
        """Ordered by primary key, so that two runs read alike."""
        order = (
            f" ORDER BY {', '.join(quoted(name, chr(34)) for name in table.key)}"
            if table.key
            else ""
        )
        columns = ", ".join(quoted(name, '"') for name in table.spellings)
        try:
            cursor = self._copy.execute(
                f"SELECT {columns} FROM {quoted(table.spelled, chr(34))}{order}"  # noqa: S608 (identifiers, quoted)
            )
            while found := cursor.fetchmany(_FETCH):
                for row in found:
                    yield dict(zip(table.columns, row, strict=True))
        except sqlite3.Error as error:
            raise SourceUnreadable(
                _("The table %(table)s of %(path)s cannot be read: %(error)s.")
                % {"table": table.spelled, "path": self._path, "error": error}
            ) from error

    def _table(self, name: str) -> Table:
        columns = self._ask("SELECT name, type, pk FROM pragma_table_info(?)", name)
        keyed = sorted((int(pk), str(column).lower()) for column, _kind, pk in columns if pk)
        [(count,)] = self._ask(f"SELECT count(*) FROM {quoted(name, chr(34))}")  # noqa: S608 (an identifier, quoted)
        return Table(
            name=name.lower(),
            spelled=name,
            columns=tuple(str(column).lower() for column, _kind, _pk in columns),
            spellings=tuple(str(column) for column, _kind, _pk in columns),
            kinds=tuple(str(kind).lower() for _column, kind, _pk in columns),
            key=tuple(column for _place, column in keyed),
            rows=int(count or 0),
            key_is_number=[str(kind).lower() for _column, kind, pk in columns if pk] == ["integer"],
        )

    def _ask(self, statement: str, *values: str) -> list[tuple[Cell, ...]]:
        try:
            return self._copy.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise SourceUnreadable(
                _("%(path)s cannot be read as an SQLite database: %(error)s.")
                % {"path": self._path, "error": error}
            ) from error


class _Opened:
    """The original, read-only. A file in a folder that cannot be written to is opened as immutable,
    which is only right where nobody has changes waiting in a write-ahead log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        where = self._path.resolve().as_uri()
        self._connection = _connect(f"{where}?mode=ro")
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            self._connection.close()
            log = self._path.with_name(f"{self._path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise
            self._connection = _connect(f"{where}?mode=ro&immutable=1")
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
