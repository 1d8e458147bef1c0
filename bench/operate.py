"""Operations on many users, with ledger, receipts and audit: each beside one SQL statement that
does the same writes; then as a run, under a real worker, with its preview and its undo, and the
user table meanwhile."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.utils.timezone import now as time_now

from audit.models import Act, AuditEntry, Receipt
from audit.people import SYSTEM
from audit.procedures import Receipts
from bench import peers, runs
from bench.report import Case, case
from billing import reports
from billing.services import adjust_credits
from users.profile.services import tag
from users.restrictions.services import suspend

DATABASE = "copy"
_ROUNDS = 3
_MOST_BESIDE_SQL = 200_000  # more only as a run: rounds of everything would take an hour
_DELTA = Decimal("12.5")
_REASON = "Credits for the outage of Tuesday"


class Kind(NamedTuple):
    """An act that is measured: the service, its peer, and its parameters in one round."""

    name: str
    code: str
    service: Callable[..., Receipts]
    peer: str
    ours: Callable[[int], dict[str, Any]]
    theirs: Callable[[int], dict[str, Any]]
    forget: str = ""  # so that each round finds people as the first one did


# Rounds must differ: who is suspended as long, or tagged so, already is left alone.
def _until(round_: int) -> Any:
    return time_now() + timedelta(days=100 + round_)


KINDS = (
    Kind(
        "credits",
        "billing.adjust_credits",
        adjust_credits,
        peers.CREDITS,
        lambda _round: {"delta": _DELTA},
        lambda _round: {},
    ),
    Kind(
        "suspend",
        "users.suspend",
        suspend,
        peers.SUSPEND,
        lambda round_: {"reason_code": "spam", "ends_at": _until(2 * round_ + 1)},
        lambda round_: {"ends_at": _until(2 * round_)},
        "UPDATE users_restriction SET lifted_at = now() WHERE lifted_at IS NULL",
    ),
    Kind(
        "tags",
        "users.tag",
        tag,
        peers.TAG,
        lambda round_: {"add": [f"ours {round_}"]},
        lambda round_: {"tag": f"theirs {round_}"},
        "DELETE FROM users_tagging",
    ),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this measurement."""
    parser.add_argument("--no-run", action="store_true", help="only beside SQL, not as a run")


def run(options: argparse.Namespace) -> list[Case]:
    """Each act by the operation and by the statement in turn, the medians count; then runs."""
    ids = runs.everybody()[: options.users]
    cases: list[Case] = []
    if len(ids) <= _MOST_BESIDE_SQL:
        for kind in KINDS:
            cases += _beside_sql(kind, ids)
    if not options.no_run:
        cases += runs.measure(ids)
    assert next(reports.defects(), None) is None
    return cases


def _beside_sql(kind: Kind, ids: list[int]) -> list[Case]:
    ours, theirs, unprotected = [], [], []
    memory = 0
    for number in range(_ROUNDS):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        params = kind.ours(number)
        ours.append(
            _timed(
                lambda: kind.service(ids, actor=SYSTEM, reason=_REASON, **params),  # noqa: B023 (called at once)
                forget=kind.forget,
            )
        )
        memory = max(memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        said = kind.theirs(number)
        theirs.append(_timed(lambda: _state(kind.peer, ids, said), forget=kind.forget))  # noqa: B023
        if kind.name == "credits":
            with _no_triggers():
                unprotected.append(_timed(lambda: _state(peers.UNPROTECTED_CREDITS, ids, {})))
    _prove(kind, ids, rounds=len(ours) + len(theirs) + len(unprotected))
    median, peer = statistics.median(ours), statistics.median(theirs)
    cases = [case(f"{kind.name}: {len(ids):,} users", median, "s", peer=peer, limit=3.0)]
    if unprotected:
        bare = statistics.median(unprotected)
        cases.append(case("… beside one without the ledger's triggers", median, "s", peer=bare))
    rate = len(ids) / median
    cases.append(case("users per second", rate, "/s", better="higher", peer=len(ids) / peer))
    return [*cases, case("memory it takes", memory / 1024, "MB")]


def _state(statement: str, ids: list[int], params: dict[str, Any]) -> None:
    values = {
        "act": uuid.uuid4(),
        "now": time_now(),
        "count": len(ids),
        "ids": ids,
        "reason": _REASON,
        **params,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@contextmanager
def _no_triggers() -> Iterator[None]:
    with connection.cursor() as cursor:
        for switch in ("DISABLE", "ENABLE"):
            for table in ("billing_account", "billing_transfer"):
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                yield


def _timed(act: Callable[[], object], *, forget: str = "") -> float:
    """Seconds, from a clean start: dead rows swept, the log written down."""
    with connection.cursor() as cursor:
        if forget:
            cursor.execute(forget)
        cursor.execute("VACUUM billing_account, users_restriction, users_tagging")
        cursor.execute("ANALYZE billing_account, billing_transfer, audit_entry, users_restriction")
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _prove(kind: Kind, ids: list[int], *, rounds: int) -> None:
    """Each of them did all of it, and left as much."""
    acts = Act.objects.filter(code=kind.code, changed=len(ids)).values_list("pk", flat=True)
    assert len(acts) == rounds, (kind.name, len(acts), rounds)
    assert Receipt.objects.filter(act__in=acts, outcome=1).count() == rounds * len(ids)
    assert AuditEntry.objects.filter(act_id__in=list(acts)).count() == rounds * len(ids)
