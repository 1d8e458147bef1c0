"""One operation on many users, with ledger, receipts and audit, beside one SQL statement that does
the same writes."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from django.db import connection
from django.utils.timezone import now as time_now

from audit.models import Act
from audit.people import SYSTEM
from bench.report import Case, case
from billing import reports
from billing.models import Account, Transfer
from billing.services import adjust_credits

DATABASE = "copy"
_ROUNDS = 3
_DELTA = Decimal("12.5")
_REASON = "Credits for the outage of Tuesday"

_STATEMENT = """
WITH act AS (
    INSERT INTO audit_act (id, code, actor_name, params, reason, ticket, request_id, created_at,
                           changed, unchanged, refused)
    VALUES (%(act)s, 'billing.adjust_credits', 'system', '{{"delta": "12.5"}}', %(reason)s, '', '',
            %(now)s, %(count)s, 0, 0)
), holding AS MATERIALIZED (
    SELECT a.id, a.user_id, u.username, a.balance
      FROM billing_account a JOIN users_user u ON u.id = a.user_id
     WHERE a.user_id = ANY(%(ids)s) ORDER BY a.id FOR NO KEY UPDATE OF a
), {ledger}, receipts AS (
    INSERT INTO audit_receipt (act_id, target_id, outcome, refusal, undo)
    SELECT %(act)s, user_id, 1, '', jsonb_build_object('transfer', posted.id, 'at', %(now)s)
      FROM posted JOIN holding ON holding.id = account_id
), entries AS (
    INSERT INTO audit_entry (created_at, act_id, action, target_type, target_id, changes, reason)
    SELECT %(now)s, %(act)s, 'billing.adjust_credits', 'user', user_id,
           jsonb_build_object('credits', jsonb_build_array(balance, balance_after)), %(reason)s
      FROM posted JOIN holding ON holding.id = account_id
    RETURNING id, target_id
)
INSERT INTO audit_personal (entry_id, created_at, actor_name, target_name)
SELECT entries.id, %(now)s, 'system', username FROM entries JOIN holding ON user_id = target_id
"""


# As the ledger has it: inserting a transfer moves its account, by a trigger for each row.
_LEDGER = """posted AS (
    INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta, reason,
                                  group_id)
    SELECT %(now)s, %(now)s, id, 400, %(delta)s, %(reason)s, %(act)s FROM holding
    RETURNING id, account_id, balance_after
)"""
# As it would be without that protection.
_UNPROTECTED = """moved AS (
    UPDATE billing_account a
       SET balance = a.balance + %(delta)s, credited_total = credited_total + %(delta)s,
           version = version + 1, updated_at = %(now)s
      FROM holding WHERE a.id = holding.id
    RETURNING a.id, a.balance, a.version
), posted AS (
    INSERT INTO billing_transfer (created_at, effective_at, account_id, account_version,
                                  code, delta, balance_after, reason, group_id)
    SELECT %(now)s, %(now)s, id, version, 400, %(delta)s, balance, %(reason)s, %(act)s
      FROM moved
    RETURNING id, account_id, balance_after
)"""


def run(options: argparse.Namespace) -> list[Case]:
    """Adjust credits by the operation and by the statements in turn; the medians count."""
    ids = list(
        Account.objects.filter(pk__gte=1_000).order_by("pk").values_list("user_id", flat=True)
    )
    ids = ids[: options.users]
    act, statement, unprotected = [], [], []
    memory = 0
    for _round in range(_ROUNDS):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        act.append(_timed(lambda: _operate(ids)))
        memory = max(memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        statement.append(_timed(lambda: _state(ids, _LEDGER)))
        with _no_triggers():
            unprotected.append(_timed(lambda: _state(ids, _UNPROTECTED)))
    _prove(ids)
    ours, peer = statistics.median(act), statistics.median(statement)
    bare = statistics.median(unprotected)
    return [
        case(f"one operation on {len(ids):,} users", ours, "s", peer=peer, limit=3.0),
        case("… beside one without the ledger's triggers", ours, "s", peer=bare),
        case("users per second", len(ids) / ours, "/s", better="higher", peer=len(ids) / peer),
        case("memory it takes", memory / 1024, "MB"),
    ]


def _operate(ids: list[int]) -> None:
    adjust_credits(ids, actor=SYSTEM, delta=_DELTA, reason=_REASON)


def _state(ids: list[int], ledger: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENT.format(ledger=ledger),
            {
                "act": uuid.uuid4(),
                "now": time_now(),
                "count": len(ids),
                "ids": ids,
                "delta": _DELTA,
                "reason": _REASON,
            },
        )


@contextmanager
def _no_triggers() -> Iterator[None]:
    with connection.cursor() as cursor:
        for switch in ("DISABLE", "ENABLE"):
            for table in ("billing_account", "billing_transfer"):
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                yield


def _timed(run: Callable[[], None]) -> float:
    """Seconds, from a clean start: dead rows swept, the log written down."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM billing_account")
        cursor.execute("ANALYZE billing_account, billing_transfer, audit_entry")
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _prove(ids: list[int]) -> None:
    """Each of them did all of it, and the ledger agrees with itself."""
    acts = Act.objects.filter(code="billing.adjust_credits", changed=len(ids)).count()
    transfers = Transfer.objects.filter(reason=_REASON).count()
    assert acts == 3 * _ROUNDS, acts
    assert transfers == 3 * _ROUNDS * len(ids), transfers
    assert next(reports.defects(), None) is None
