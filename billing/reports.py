"""Figures of credits, for pages and commands. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncDate

from billing.models import Account, Transfer
from coai_admin.console.statements import statement


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What a user's account says now. ``used`` includes what was used before the account was
    opened here; ``available`` is what is neither spent nor held."""

    user_id: int
    account_id: int
    status: int
    balance: Decimal
    held: Decimal
    used: Decimal
    overdraft_limit: Decimal
    version: int
    updated_at: datetime

    @property
    def available(self) -> Decimal:
        return self.balance - self.held


def account_facts(user_ids: Sequence[int]) -> dict[int, AccountFacts]:
    """The live figures of these users by user id, in one query; who has no account is absent."""
    rows = Account.objects.filter(user__in=user_ids).values_list(
        "user_id",
        "pk",
        "status",
        "balance",
        "held",
        F("opening_used") + F("used_total"),
        "overdraft_limit",
        "version",
        "updated_at",
    )
    return {row[0]: AccountFacts(*row) for row in rows}


def balance_as_of(user_id: int, moment: datetime) -> Decimal:
    """What the user's balance was at ``moment``: all that was booked up to and with it."""
    total = (
        Transfer.objects.of_user(user_id)
        .filter(created_at__lte=moment)
        .aggregate(total=Sum("delta"))["total"]
    )
    return total or Decimal("0.000000")


def used_by_day(user_id: int, *, days: int, now: datetime) -> list[tuple[date, Decimal]]:
    """What the user used on each of the last ``days`` days (UTC, today the last), reversals taken
    off; in one query of as many months as they touch."""
    first = now.astimezone(UTC).date() - timedelta(days=days - 1)
    used = dict(_used_since(user_id, datetime(first.year, first.month, first.day, tzinfo=UTC)))
    every = (first + timedelta(days=number) for number in range(days))
    return [(day, used.get(day, Decimal(0))) for day in every]


@statement
def _used_since(user_id: Any, moment: Any) -> QuerySet[Any, tuple[date, Decimal]]:
    return (
        Transfer.objects.of_user(user_id)
        .filter(code__counts_as_used=True)
        .filter(created_at__gte=moment)
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values("day")
        .annotate(used=-Sum("delta"))
        .values_list("day", "used")
    )


class Defect(NamedTuple):
    """Something in the ledger that does not agree with something else: ``subject_id`` of the kind
    ``subject`` has ``found`` where ``expected`` belongs."""

    rule: str
    subject: str
    subject_id: int | None
    expected: str
    found: str


def defects() -> Iterator[Defect]:
    """What disagrees in the ledger; nothing, if all is well. Reads every transfer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rule, subject, subject_id, expected, found FROM billing_reconciliation"
            " ORDER BY rule, subject, subject_id"
        )
        while rows := cursor.fetchmany(1_000):
            for row in rows:
                yield Defect(*row)
