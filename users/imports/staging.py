"""Bringing the judged rows into PostgreSQL: temporary tables of this session, so that questions
about all people at once (who shares a name?) are questions in SQL, and nothing is visible before it
is decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

from django.db import connection

from users.imports.rows import Staged

PEOPLE, BATCH = "import_row", "import_batch"
_BATCH_LENGTH = 8 * 1024 * 1024

_COLUMNS: LiteralString = """
    seq bigint NOT NULL,
    table_name text NOT NULL,
    key text NOT NULL,
    user_ref bigint,
    state text NOT NULL,
    reason text NOT NULL,
    row jsonb NOT NULL,
    digest bytea NOT NULL,
    facts jsonb,
    flags text[] NOT NULL,
    name text,
    email text,
    name_folded text,
    email_folded text,
    password text,
    password_group text
"""
_TABLES = (
    PEOPLE,
    BATCH,
    "import_person",
    "import_flag",
    "import_name",
    "import_email",
    "import_stale",
)
_COPY = """COPY {} (seq, table_name, key, user_ref, state, reason, row, digest, facts, flags, name,
    email, name_folded, email_folded, password, password_group) FROM STDIN"""


@contextmanager
def staging_area() -> Iterator[None]:
    """Empty staging tables for the time of the ``with``; they are gone with the session in any
    case."""
    _drop()
    with connection.cursor() as cursor:
        # So that everybody's rows are sorted and joined in memory; there is one import at a time.
        cursor.execute("SET work_mem = '64MB'")
        for table in (PEOPLE, BATCH):
            cursor.execute(f"CREATE TEMPORARY TABLE {table} ({_COLUMNS})")
    try:
        yield
    finally:
        if connection.is_usable():
            _drop()
            with connection.cursor() as cursor:
                cursor.execute("RESET work_mem")


def _drop() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{name}' for name in _TABLES)}")


def copy_rows(table: str, rows: Iterable[Staged], *, first: int = 0) -> int:
    """Copy judged rows into a staging table; returns how many. ``first``: the sequence number
    before theirs."""
    number = first
    with connection.cursor() as cursor, cursor.copy(_COPY.format(table)) as copy:
        for number, staged in enumerate(rows, first + 1):
            copy.write_row(_as_tuple(number, staged))
    return number - first


def _as_tuple(number: int, staged: Staged) -> tuple[Any, ...]:
    return (
        number,
        staged.table,
        staged.key,
        staged.user_ref,
        staged.state,
        staged.reason,
        staged.row,
        staged.digest,
        staged.facts_json,
        "{" + ",".join(json.dumps(flag, ensure_ascii=False) for flag in staged.flags) + "}",
        staged.name,
        staged.email,
        staged.name_folded,
        staged.email_folded,
        staged.password,
        staged.password_group,
    )


def finish_people() -> None:
    """Index and analyse the rows of people once all are there."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX ON {PEOPLE} (user_ref, table_name)")
        cursor.execute(f"ANALYZE {PEOPLE} (table_name, user_ref, state)")


def batches(rows: Iterable[Staged], size: int) -> Iterator[list[Staged]]:
    """The rows in lists of at most ``size``, and of some megabytes: rows may be long chats."""
    batch: list[Staged] = []
    length = 0
    for row in rows:
        batch.append(row)
        length += len(row.row)
        if len(batch) == size or length > _BATCH_LENGTH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch
