"""Reading a CoAI database in MySQL or MariaDB, any version: one REPEATABLE READ snapshot on one
connection, rows streamed.

The driver converts nothing: each cell arrives as bytes and is read by the declared type of its
column, so that zero dates, amounts and broken text are ours to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
import pymysql.converters
import pymysql.cursors
from django.utils.translation import gettext as _

from users.imports.tables import SourceUnreadable, Table, by_name, quoted
from users.imports.values import Cell

_PORT = 3306
_FETCH = 1_000
_CONNECT_SECONDS = 10
_WAIT_SECONDS = 3_600
# Only what escapes arguments; without decoders every cell arrives as bytes.
_ENCODERS: Any = {
    kind: convert
    for kind, convert in pymysql.converters.conversions.items()
    if not isinstance(kind, int)
}
_FAILURES = (pymysql.MySQLError, OSError)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bits(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _instant(raw: bytes) -> str:
    """A TIMESTAMP is an instant; the session reads it in UTC. A zero date stays one."""
    shown = raw.decode("ascii", "replace")
    return shown if shown.startswith("0000") else f"{shown}+00:00"


def _number(raw: bytes) -> Cell:
    shown = raw.decode("ascii", "replace")
    try:
        return int(shown)
    except ValueError:
        return shown


def _float(raw: bytes) -> Cell:
    shown = raw.decode("ascii", "replace")
    try:
        return float(shown)
    except ValueError:
        return shown


_READINGS: dict[str, Callable[[bytes], Cell]] = {
    **dict.fromkeys(
        ("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"), _number
    ),
    **dict.fromkeys(("float", "double", "real"), _float),
    **dict.fromkeys(("decimal", "numeric", "date", "datetime", "time"), _text),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), _text),
    **dict.fromkeys(("enum", "set", "json", "uuid", "inet4", "inet6"), _text),
    "timestamp": _instant,
    "bit": _bits,
}


class MySQL:
    """A CoAI database on a server, as it was when it was entered.

    ``url``: mysql://user:password@host:port/database; ``?unix_socket=`` for a local server,
    ``?ssl_ca=`` to verify its certificate, ``?ssl=off`` for one that only speaks an outdated TLS
    (otherwise TLS is used where the server offers it). The password never reaches a message or the
    report.
    """

    def __init__(self, url: str) -> None:
        self.warnings: list[str] = []
        self._arguments = _parse(url)
        where = (
            self._arguments.get("unix_socket")
            or f"{self._arguments['host']}:{self._arguments['port']}"
        )
        self.location = f"mysql://{where}/{self._arguments['database']}"
        self._connection: pymysql.Connection[Any]

    def __enter__(self) -> Self:
        try:
            self._connection = pymysql.connect(
                **self._arguments,
                charset="utf8mb4",
                use_unicode=False,
                conv=_ENCODERS,
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_WAIT_SECONDS,
                autocommit=True,
            )
        except (*_FAILURES, RuntimeError) as error:
            raise SourceUnreadable(
                _("%(where)s cannot be reached: %(error)s.")
                % {"where": self.location, "error": _sentence(error)}
            ) from None
        try:
            self._begin()
        except _FAILURES as error:
            self._connection.close()
            raise self._failed(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An answer that was not read to its end cannot be rolled back politely; closing ends the
        # transaction as well.
        with suppress(*_FAILURES):
            cast("Any", self._connection)._force_close()

    def _begin(self) -> None:
        with self._connection.cursor() as cursor:
            for setting in (
                "time_zone = '+00:00'",
                f"net_write_timeout = {_WAIT_SECONDS}",
                f"wait_timeout = {_WAIT_SECONDS}",
            ):
                cursor.execute(f"SET SESSION {setting}")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")

    def tables(self) -> dict[str, Table]:
        """Every table of the database, views left out."""
        try:
            return self._tables()
        except _FAILURES as error:
            raise self._failed(error) from None

    def _tables(self) -> dict[str, Table]:
        found = self._ask(
            """SELECT table_name, COALESCE(engine, '') FROM information_schema.tables
               WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
               ORDER BY table_name"""
        )
        unsafe = [
            name for name, engine in found if engine.lower() not in {"innodb", "rocksdb", "tokudb"}
        ]
        if unsafe:
            self.warnings.append(
                _("Not transactional, so read as they were when their turn came: %(tables)s.")
                % {"tables": ", ".join(unsafe)}
            )
        columns: dict[str, list[list[str]]] = {}
        for name, *described in self._ask(
            """SELECT table_name, column_name, data_type, column_key FROM information_schema.columns
               WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
        ):
            columns.setdefault(name, []).append(described)
        keys: dict[str, list[str]] = {}
        for name, column in self._ask(
            """SELECT table_name, column_name FROM information_schema.key_column_usage
               WHERE table_schema = DATABASE() AND constraint_name = 'PRIMARY'
               ORDER BY table_name, ordinal_position"""
        ):
            keys.setdefault(name, []).append(column)
        return by_name(
            self._table(name, columns.get(name, []), keys.get(name, [])) for name, _engine in found
        )

    def _table(self, name: str, columns: list[list[str]], key: list[str]) -> Table:
        [[count]] = self._ask(f"SELECT count(*) FROM {quoted(name, '`')}")  # noqa: S608 (an identifier, quoted)
        return Table(
            name=name.lower(),
            spelled=name,
            columns=tuple(column.lower() for column, _kind, _key in columns),
            spellings=tuple(column for column, _kind, _key in columns),
            kinds=tuple(kind.lower() for _column, kind, _key in columns),
            key=tuple(column.lower() for column in key),
            rows=int(count),
            key_is_number=[_READINGS.get(kind) for column, kind, _key in columns if column in key]
            == [_number],
        )

    def rows(self, table: Table) -> Iterator[dict[str, Cell]]:
        """Streamed by a server-side cursor, ordered by primary key, so that two runs read alike."""
        order = (
            f" ORDER BY {', '.join(quoted(name, '`') for name in table.key)}" if table.key else ""
        )
        columns = ", ".join(
            _as_asked(spelled, kind)
            for spelled, kind in zip(table.spellings, table.kinds, strict=True)
        )
        readings = [_READINGS.get(kind) for kind in table.kinds]
        try:
            with self._connection.cursor(pymysql.cursors.SSCursor) as cursor:
                cursor.execute(f"SELECT {columns} FROM {quoted(table.spelled, '`')}{order}")  # noqa: S608
                while found := cursor.fetchmany(_FETCH):
                    for row in cast("list[tuple[bytes | None, ...]]", found):
                        yield {
                            name: raw if raw is None or read is None else read(raw)
                            for name, raw, read in zip(table.columns, row, readings, strict=True)
                        }
        except _FAILURES as error:
            raise self._failed(error) from None

    def _ask(self, statement: str) -> list[list[str]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return [
                [_text(cell) if isinstance(cell, bytes) else str(cell) for cell in row]
                for row in cursor.fetchall()
            ]

    def _failed(self, error: Exception) -> SourceUnreadable:
        return SourceUnreadable(
            _("%(where)s cannot be read: %(error)s.")
            % {"where": self.location, "error": _sentence(error)}
        )


def _as_asked(column: str, kind: str) -> str:
    """A FLOAT is shown with six digits unless it is computed with."""
    name = quoted(column, "`")
    return f"{name} + 0E0" if kind == "float" else name


def _sentence(error: Exception) -> str:
    """The server's own words, without the number and the full stop."""
    words = error.args[1] if len(error.args) > 1 else error
    return str(words).rstrip(".")


def _parse(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORT
    except ValueError:
        port = 0
    database = unquote(parts.path.lstrip("/"))
    if parts.scheme != "mysql" or not database or "/" in database or not port:
        raise SourceUnreadable(_("--mysql takes mysql://user:password@host:3306/database."))
    asked = parse_qs(parts.query)
    arguments: dict[str, Any] = {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "").encode(),
        "database": database,
    }
    if socket := (asked.get("unix_socket") or asked.get("socket") or [""])[0]:
        arguments["unix_socket"] = socket
    if authority := asked.get("ssl_ca", [""])[0]:
        arguments |= {"ssl_ca": authority, "ssl_verify_identity": True}
    if asked.get("ssl", [""])[0].lower() in {"off", "0", "false", "disabled"}:
        arguments["ssl_disabled"] = True
    return arguments
