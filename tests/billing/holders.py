"""Accounts for these tests, what they hold, and work done by several threads at once."""

import threading
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection, connections

from audit.people import SYSTEM
from billing import ledger, reports
from billing.ledger import Posting
from billing.models import Account, Transfer
from tests.factories import make_user

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PURCHASE, PROMO, REVERSAL, CHARGEBACK, UP, DOWN = 100, 120, 250, 310, 400, 401


def holder(credits=0, **columns):
    """A user whose account holds so much; ``columns`` set what no service writes yet."""
    user = make_user()
    account = Account.objects.get(user=user)
    if columns:
        Account.objects.filter(pk=account.pk).update(**columns)
    if credits:
        give(account, credits)
    account.refresh_from_db()
    return account


def give(account, credits, code=PURCHASE, **more):
    [booked] = ledger.post(
        [Posting(account.pk, code, Decimal(credits), **more)], now=NOON, actor_id=SYSTEM.pk
    )
    return booked


def take(account, credits, code=DOWN, **more):
    return give(account, -Decimal(credits), code, **more)


def figures(account):
    account.refresh_from_db()
    return account.balance, account.used_total, account.version


def deltas(account):
    return list(
        Transfer.objects.filter(account=account)
        .order_by("account_version")
        .values_list("delta", flat=True)
    )


def defects(*, but=()):
    """What does not agree in the whole ledger, without the rules in ``but``."""
    return [defect for defect in reports.defects() if defect.rule not in but]


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def at_once(*jobs):
    """Run each callable in a thread with a connection of its own, all let go together; their
    results, an exception in the place of what raised."""
    start = threading.Barrier(len(jobs))
    results = [None] * len(jobs)

    def run(place, job):
        try:
            connection.ensure_connection()
            start.wait(30)
            results[place] = job()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results
