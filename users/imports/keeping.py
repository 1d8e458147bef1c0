"""Keeping the rows that become nobody's: whole tables of facts that have no place here yet, tables
and columns that no public CoAI has, and what was quarantined. Streamed, in batches of one
transaction each, so that memory stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from django.db import connection, transaction

from users.imports.rows import Staged
from users.imports.staging import BATCH, PEOPLE, batches, copy_rows

BATCH_SIZE = 2_000

# Each row is looked up by itself: joined with all that is kept, as PostgreSQL would while the
# tables grow and it knows nothing of them yet, every batch would take longer than the one before.
_KEPT = """
    LEFT JOIN LATERAL (
        SELECT id, digest, state, reason FROM users_legacyrow
        WHERE source = %s AND table_name = b.table_name AND key = b.key OFFSET 0
    ) l ON true
"""
_COMPARE = f"""
    SELECT count(*) FILTER (WHERE l.id IS NULL), count(*) FILTER (WHERE l.id IS NOT NULL
        AND (l.digest, l.state, l.reason) IS DISTINCT FROM (b.digest, b.state, b.reason))
    FROM {{}} b {_KEPT}
"""  # noqa: S608 (our own tables)
_WRITE = f"""
    INSERT INTO users_legacyrow
        (source, table_name, key, row, digest, state, reason, user_id, run_id)
    SELECT %s, b.table_name, b.key, b.row, b.digest, b.state, b.reason, u.id, %s
    FROM {{}} b
    LEFT JOIN LATERAL (
        SELECT id FROM users_user WHERE legacy_source = %s AND legacy_id = b.user_ref OFFSET 0
    ) u ON true
    {_KEPT}
    WHERE l.id IS NULL
        OR (l.digest, l.state, l.reason) IS DISTINCT FROM (b.digest, b.state, b.reason)
    ON CONFLICT (source, table_name, key) DO UPDATE SET row = excluded.row,
        digest = excluded.digest, state = excluded.state, reason = excluded.reason, facts = NULL,
        user_id = excluded.user_id, run_id = excluded.run_id
"""  # noqa: S608


class Keeping:
    """Keeps rows for one deployment. ``run_id`` is asked for at the first row that is to be
    written; None writes nothing (a dry run). ``new`` counts, per table, the rows that were not
    there."""

    def __init__(self, source: str, run_id: Callable[[], int] | None) -> None:
        self.source = source
        self._run_id = run_id
        self.new: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()

    def table(self, name: str, rows: Iterable[Staged], tell: Callable[[int], None]) -> None:
        """Keep the rows of a table, telling how many were read so far."""
        read = 0
        for batch in batches(rows, BATCH_SIZE):
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(f"TRUNCATE pg_temp.{BATCH}")
                copy_rows(BATCH, batch)
                self._keep(name, BATCH)
            read += len(batch)
            tell(read)

    def rest(self) -> None:
        """Keep what was staged with the people and became nobody's."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"""CREATE TEMPORARY VIEW import_rest AS
                    SELECT * FROM {PEOPLE} WHERE state <> 'imported'"""  # noqa: S608 (our own table)
            )
            self._keep("", "import_rest")
            cursor.execute("DROP VIEW import_rest")

    def _keep(self, name: str, staged: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_COMPARE.format(staged), [self.source])
            new, changed = cursor.fetchone()
            self.new[name] += new
            self.changed[name] += changed
            if (new or changed) and self._run_id is not None:
                cursor.execute(
                    _WRITE.format(staged),
                    [self.source, self._run_id(), self.source, self.source],
                )
