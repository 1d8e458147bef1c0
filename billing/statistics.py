"""The copy of balances and used credits that lists sort and filter by.

An index on the balance of the account itself would cost each debit a quarter of its speed. So a
job copies what changed every few seconds, following the journal by transfer id. A transaction may
commit long after it drew its ids; the mark therefore moves to an id only when every transaction
that could have drawn a lower one has ended. A transaction has its number before it draws an id,
see migration 0001.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# The last id is read before the running transactions: whoever drew it is among them or has ended.
_LAST_ID = "SELECT last_value FROM billing_transfer_id_seq"
_RUNNING = """
SELECT pg_snapshot_xmin(running)::text, pg_snapshot_xmax(running)::text
  FROM pg_current_snapshot() running
"""
# What another copy read later is never overwritten; the same version may still differ in what was
# used before the account was opened here.
_COPY = """
INSERT INTO billing_statistics AS s (user_id, balance, used, version)
SELECT a.user_id, a.balance, a.opening_used + a.used_total, a.version
  FROM billing_account a
  LEFT JOIN billing_statistics old ON old.user_id = a.user_id
 WHERE a.id >= 1000 AND {which}
   AND (old.user_id IS NULL OR old.version < a.version OR {differing})
 ORDER BY a.user_id
ON CONFLICT (user_id) DO UPDATE
   SET balance = excluded.balance, used = excluded.used, version = excluded.version
 WHERE s.version < excluded.version OR (s.version = excluded.version AND {same_version})
"""
_DIFFERS = "(old.balance, old.used) <> (a.balance, a.opening_used + a.used_total)"
_CHANGED = _COPY.format(
    which="a.id IN (SELECT DISTINCT t.account_id FROM billing_transfer t WHERE t.id > %s)",
    differing="false",
    same_version="false",
)
_OF_USERS = _COPY.format(which="a.user_id = ANY(%s)", differing=_DIFFERS, same_version="true")
_ALL = _COPY.format(which="true", differing=_DIFFERS, same_version="true")


class _Mark(NamedTuple):
    """How far the journal was read: all of it up to ``read_to``. ``next_to`` follows once no
    transaction below ``next_xid`` runs any more."""

    read_to: int
    next_to: int
    next_xid: int

    def moved(self, last_id: int, oldest_running: int, next_unused: int) -> _Mark:
        """The mark after the journal was read with all transactions below ``oldest_running``
        ended. A ``next_xid`` of the future comes from a restored dump."""
        if self.next_xid <= oldest_running:
            return _Mark(self.next_to, last_id, next_unused)
        if self.next_xid > next_unused:
            return _Mark(self.read_to, last_id, next_unused)
        return self


@transaction.atomic
def copy_statistics(*, now: datetime, full: bool = False) -> int:
    """Copy the figures of the accounts that moved since the last time, or with ``full`` of all;
    gives back how many were written. While another copy runs, nothing: it does the work."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT read_to, next_to, next_xid::text::bigint FROM billing_statistics_mark"
            " FOR NO KEY UPDATE SKIP LOCKED"
        )
        row = cursor.fetchone()
        if row is None:
            return 0
        mark = _Mark(*row)
        [last_id] = _row(cursor, _LAST_ID)
        oldest_running, next_unused = map(int, _row(cursor, _RUNNING))
        if full:
            cursor.execute("LOCK TABLE billing_statistics IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(_ALL)
        else:
            cursor.execute(_CHANGED, [mark.read_to])
        written: int = cursor.rowcount
        cursor.execute(
            "UPDATE billing_statistics_mark SET read_to = %s, next_to = %s,"
            " next_xid = %s::text::xid8, copied_at = %s",
            [*mark.moved(last_id, oldest_running, next_unused), now],
        )
    return written


def copy_users(user_ids: Sequence[int]) -> None:
    """Copy the figures of these users, in the caller's transaction, which wrote them."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_USERS, [list(user_ids)])


def _row(cursor: CursorWrapper, statement: str) -> tuple[Any, ...]:
    cursor.execute(statement)
    row: tuple[Any, ...] | None = cursor.fetchone()
    assert row is not None
    return row
