"""What is done to credits, for jobs, commands and other services. People come through
``billing.operations``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from django.db import connection, transaction
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from billing import ledger, statistics
from billing.adjustments import ADJUST_CREDITS, SET_CREDITS
from billing.ledger import OPENING_BALANCE, OPENING_DEBT, Posting

_CHUNK = 5_000


@transaction.atomic
def open_accounts(
    user_ids: Sequence[int], *, now: datetime, overdraft_limit: Decimal = Decimal(0)
) -> None:
    """Give each of these users an empty account; who has one keeps it as it is. ``overdraft_limit``
    is how far below zero spending may go."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_account (user_id, overdraft_limit, updated_at)
            SELECT id, %s, %s FROM unnest(%s::bigint[]) AS id ORDER BY id
            ON CONFLICT DO NOTHING
            """,
            [overdraft_limit, now, list(user_ids)],
        )
        cursor.execute(
            """
            INSERT INTO billing_statistics (user_id)
            SELECT id FROM unnest(%s::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING
            """,
            [list(user_ids)],
        )


def adjust_credits(
    users: Iterable[int],
    *,
    actor: Actor,
    delta: Decimal,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Add ``delta`` credits to each user's balance; a negative delta takes them away. What would go
    below zero is refused, user by user, with the sentence in the receipt."""
    return execute(
        ADJUST_CREDITS,
        users,
        {"delta": ledger.exact(Decimal(delta))},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def set_credits(
    users: Iterable[int],
    *,
    actor: Actor,
    balance: Decimal,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Bring each user's balance to exactly ``balance`` by one transfer of the difference. Below
    what is held is refused. People who looked before are refused where it moved since: they come
    through ``billing.operations`` with the version they saw."""
    return execute(
        SET_CREDITS,
        users,
        {"balance": ledger.exact(Decimal(balance))},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def copy_statistics(*, now: datetime, full: bool = False) -> int:
    """Bring the figures that lists sort by up to date; see ``billing.statistics``."""
    return statistics.copy_statistics(now=now, full=full)


class Opening(NamedTuple):
    """What a user brings along: the balance (below zero: debt) and what was used before."""

    user_id: int
    balance: Decimal
    used: Decimal


class Opened(NamedTuple):
    """How many openings were booked for the first time, how many corrected an earlier one, and how
    many found everything as it should be."""

    booked: int
    corrected: int
    unchanged: int


class _Standing(NamedTuple):
    user_id: int
    account_id: int
    available: Decimal
    overdraft_limit: Decimal
    opening_used: Decimal
    opened: Decimal
    times: int


def post_opening_balances(
    rows: Iterable[Opening], *, now: datetime, actor: Actor, reason: str
) -> Opened:
    """Book what users bring along from another system, by one opening transfer each; the used
    credits become ``opening_used``. The users need open accounts.

    Can be repeated: a row that changed since is corrected by a compensating transfer, whatever was
    spent in between. Where the balance ends below zero, the overdraft limit grows to fit.
    Transactions of 5,000 rows. Raises AccountUnavailable if a user has no account or a closed one.
    """
    remaining, total = iter(rows), Opened(0, 0, 0)
    while chunk := list(islice(remaining, _CHUNK)):
        done = _open_chunk(chunk, now=now, actor=actor, reason=reason)
        total = Opened(*map(sum, zip(total, done, strict=True)))
    return total


@transaction.atomic
def open_accounts_bringing(
    rows: Iterable[Opening], *, now: datetime, actor: Actor, reason: str
) -> Opened:
    """Give new users their accounts with what they bring along: as ``open_accounts`` and then
    ``post_opening_balances``, but each row is written once."""
    openings = list(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_account (user_id, opening_used, overdraft_limit, updated_at)
            SELECT new.user_id, new.used, greatest(0, -new.balance), %s
              FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[])
                   AS new (user_id, balance, used)
             ORDER BY new.user_id
            ON CONFLICT DO NOTHING
            """,
            [now, *([row[place] for row in openings] for place in range(3))],
        )
    return post_opening_balances(openings, now=now, actor=actor, reason=reason)


@transaction.atomic
def _open_chunk(rows: Sequence[Opening], *, now: datetime, actor: Actor, reason: str) -> Opened:
    standings = _standings([row.user_id for row in rows])
    if len(standings) < len(rows):
        raise ledger.AccountUnavailable(
            _("%(n)s users have no open credit account, or come twice.")
            % {"n": f"{len(rows) - len(standings):,}"}
        )
    pairs = [(standings[row.user_id], row) for row in rows]
    differing = [
        (standing, row)
        for standing, row in pairs
        if row.balance != standing.opened or row.used != standing.opening_used
    ]
    _set_openings(differing)
    postings = [
        Posting(
            standing.account_id,
            OPENING_BALANCE if row.balance > standing.opened else OPENING_DEBT,
            row.balance - standing.opened,
            reason,
        )
        for standing, row in differing
        if row.balance != standing.opened
    ]
    booked = ledger.post(postings, now=now, actor_id=actor.pk)
    # The overdraft limit was made to fit under lock.
    assert None not in booked
    statistics.copy_users([row.user_id for row in rows])
    first = sum(standing.times == 0 for standing, _row in differing)
    return Opened(first, len(differing) - first, len(rows) - len(differing))


def _standings(user_ids: Sequence[int]) -> dict[int, _Standing]:
    """The open accounts of these users, locked, with what their opening transfers come to."""
    ledger.lock_accounts(user_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.user_id, a.id, a.balance - a.held, a.overdraft_limit, a.opening_used,
                   opening.total, opening.times
              FROM billing_account a
             CROSS JOIN LATERAL (SELECT coalesce(sum(t.delta), 0) AS total, count(*) AS times
                                   FROM billing_transfer t
                                  WHERE a.version > 0 -- else there is nothing to look for
                                    AND t.account_id = a.id AND t.code IN (%s, %s)) opening
             WHERE a.user_id = ANY(%s) AND a.status <> 3
            """,
            [OPENING_BALANCE, OPENING_DEBT, list(user_ids)],
        )
        return {row[0]: _Standing(*row) for row in cursor.fetchall()}


def _set_openings(differing: Sequence[tuple[_Standing, Opening]]) -> None:
    """Note what was used before, and let the overdraft limit fit, where it is not so already."""
    wanted = [
        (
            standing.account_id,
            row.used,
            max(standing.overdraft_limit, standing.opened - row.balance - standing.available),
        )
        for standing, row in differing
    ]
    there = [
        (standing.account_id, standing.opening_used, standing.overdraft_limit)
        for standing, _row in differing
    ]
    changed = [new for new, old in zip(wanted, there, strict=True) if new != old]
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE billing_account a
               SET opening_used = new.used, overdraft_limit = new.overdraft_limit
              FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[])
                   AS new (id, used, overdraft_limit)
             WHERE a.id = new.id
            """,
            [list(column) for column in zip(*changed, strict=True)],
        )
