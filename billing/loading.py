"""Credits that come with a history, many at once: for demonstration data and benchmarks."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from django.db import connection, transaction

from billing.ledger import AccountUnavailable, InsufficientCredits, lock_accounts

_CHUNK = 50_000
_COPY = """COPY billing_transfer (id, created_at, effective_at, account_id, code, delta, reason,
    reverses_id, reverses_at, actor_id, group_id) FROM STDIN"""


class Movement(Protocol):
    """One transfer of a history: ``delta`` as the account sees it; ``undoes``: the place, in the
    user's list, of an earlier movement that this one reverses; ``actor_id`` and ``group_id``: by
    whom and in which act it was done, if by hand."""

    @property
    def at(self) -> datetime: ...
    @property
    def code(self) -> int: ...
    @property
    def delta(self) -> Decimal: ...
    @property
    def reason(self) -> str: ...
    @property
    def undoes(self) -> int | None: ...
    @property
    def actor_id(self) -> int | None: ...
    @property
    def group_id(self) -> uuid.UUID | None: ...


class LoadedMovement(NamedTuple):
    """A Movement."""

    at: datetime
    code: int
    delta: Decimal
    reason: str = ""
    undoes: int | None = None
    actor_id: int | None = None
    group_id: uuid.UUID | None = None


History = tuple[int, Sequence[Movement]]


def load_history(histories: Iterable[History]) -> int:
    """Book each user's movements, oldest first, in transactions of some 50,000; gives back how many
    were booked. The users have open accounts. The ledger applies its rules to each, as to any
    transfer. ``audit.partitions.ensure_partitions`` should have been called for the months.

    Raises AccountUnavailable, or InsufficientCredits if an account refused a debit; earlier
    transactions stay.
    """
    return sum(_load(chunk) for chunk in _chunks(histories))


def _chunks(histories: Iterable[History]) -> Iterator[list[History]]:
    chunk: list[History] = []
    count = 0
    for history in histories:
        chunk.append(history)
        count += len(history[1])
        if count >= _CHUNK:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


@transaction.atomic
def _load(histories: Sequence[History]) -> int:
    with connection.cursor() as cursor:
        accounts = lock_accounts([user_id for user_id, _movements in histories])
        missing = [user_id for user_id, _movements in histories if user_id not in accounts]
        if missing:
            raise AccountUnavailable(f"User {missing[0]} has no credit account.")
        total = sum(len(movements) for _user_id, movements in histories)
        cursor.execute(
            "SELECT nextval('billing_transfer_id_seq') FROM generate_series(1, %s)", [total]
        )
        ids = [row[0] for row in cursor.fetchall()]
        with cursor.copy(_COPY) as copy:
            for row in _rows(sorted(histories, key=lambda each: accounts[each[0]]), accounts, ids):
                copy.write_row(row)
        if cursor.rowcount != total:
            raise InsufficientCredits(
                f"{total - cursor.rowcount} of {total} movements were refused by their accounts."
            )
    return total


def _rows(
    histories: Sequence[History], accounts: dict[int, int], ids: Sequence[int]
) -> Iterator[tuple[object, ...]]:
    start = 0
    for user_id, movements in histories:
        for place, movement in enumerate(movements, start):
            undone = movement.undoes
            reverses: tuple[int | None, datetime | None] = (None, None)
            if undone is not None:
                reverses = (ids[start + undone], movements[undone].at)
            yield (
                ids[place],
                movement.at,
                movement.at,
                accounts[user_id],
                movement.code,
                movement.delta,
                movement.reason,
                *reverses,
                movement.actor_id,
                movement.group_id,
            )
        start += len(movements)
