"""Monthly partitions of the append-only tables, made ahead of time: for the recurring job, and for
whoever loads history that is older than the partitions there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

# Attaching waits for running statements on the table, and everybody else waits behind it.
LONGEST_WAIT = "5s"
# Attaching locks the table less than CREATE TABLE … PARTITION OF does.
_CREATE = (
    "CREATE TABLE {name} (LIKE {table}"
    " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)"
)
_ATTACH = "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({after})"


def ensure_partitions(
    start: datetime, end: datetime, *, tables: Sequence[str] | None = None
) -> list[str]:
    """See that every month from that of ``start`` to that of ``end`` has its partition, in all
    PARTITIONED_TABLES of the settings or in ``tables``. Gives back the names of the new ones.

    Can be called any number of times, by several processes at once. Rows stay where they are: if
    the DEFAULT partition holds rows of one missing month only, it becomes that month's partition
    and a new DEFAULT follows it; a month whose rows lie there together with others' stays there.
    Raises OperationalError if the table is in use for longer than ``LONGEST_WAIT``.
    """
    made = []
    for table in settings.PARTITIONED_TABLES if tables is None else tables:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"partitions of {table}"])
            cursor.execute(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'")
            made += _ensure_months(cursor, table, list(_months(start, end)))
            _guard_against_truncate(cursor, table)
    return made


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Each calendar month (UTC) from that of ``start`` to that of ``end``, as [first, after)."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = datetime(start.year, start.month, 1, tzinfo=UTC)
    while first <= end:
        after = datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)
        yield first, after
        first = after


def _ensure_months(
    cursor: CursorWrapper, table: str, months: Sequence[tuple[datetime, datetime]]
) -> list[str]:
    made = []
    stray = _months_in_default(cursor, table)
    for first, after in months:
        name = f"{table}_{first:%Y_%m}"
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone() != (None,) or (first in stray and len(stray) > 1):
            continue
        bounds = {"first": sql.Literal(first), "after": sql.Literal(after)}
        if first in stray:
            _run(cursor, "ALTER TABLE {table} DETACH PARTITION {default}", table, name)
            _run(cursor, "ALTER TABLE {default} RENAME TO {name}", table, name)
            _run(cursor, _ATTACH, table, name, **bounds)
            _run(cursor, "CREATE TABLE {default} PARTITION OF {table} DEFAULT", table, name)
            stray = set()
        else:
            _run(cursor, _CREATE, table, name)
            _run(cursor, _ATTACH, table, name, **bounds)
        made.append(name)
    return made


def _months_in_default(cursor: CursorWrapper, table: str) -> set[datetime]:
    """The first days of the months whose rows lie in the DEFAULT partition."""
    cursor.execute(
        sql.SQL("SELECT DISTINCT date_trunc('month', created_at, 'UTC') FROM {}").format(
            sql.Identifier(f"{table}_default")
        )
    )
    return {month for (month,) in cursor.fetchall()}


def _run(
    cursor: CursorWrapper, statement: str, table: str, name: str, **values: sql.Literal
) -> None:
    cursor.execute(
        sql.SQL(statement).format(
            table=sql.Identifier(table),
            name=sql.Identifier(name),
            default=sql.Identifier(f"{table}_default"),
            **values,
        )
    )


def _guard_against_truncate(cursor: CursorWrapper, table: str) -> None:
    """Row triggers reach new partitions by themselves; triggers against TRUNCATE do not."""
    cursor.execute(
        """
        SELECT partition.inhrelid::regclass::text, guard.tgname, guard.tgfoid::regproc::text
          FROM pg_trigger guard
          JOIN pg_inherits partition ON partition.inhparent = guard.tgrelid
         WHERE guard.tgrelid = %s::regclass
           AND guard.tgtype & 32 = 32 -- TRUNCATE
           AND NOT EXISTS (SELECT FROM pg_trigger t
                            WHERE t.tgrelid = partition.inhrelid AND t.tgname = guard.tgname)
        """,
        [table],
    )
    for partition, trigger, function in cursor.fetchall():
        cursor.execute(
            f'CREATE TRIGGER "{trigger}" BEFORE TRUNCATE ON {partition}'
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
