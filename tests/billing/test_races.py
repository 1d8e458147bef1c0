"""What several people and programs do at the same moment, with real threads and commits."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from audit.people import SYSTEM
from billing import ledger, services
from billing.idempotency import IdempotencyConflict, digest, once
from billing.ledger import AccountUnavailable, InsufficientCredits, Posting
from billing.models import Account, Statistics, Transfer
from tests.billing.holders import (
    DOWN,
    NOON,
    UP,
    at_once,
    defects,
    deltas,
    figures,
    give,
    holder,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def test_forty_threads_add_one_each():
    account = holder(12)

    def add():
        return services.adjust_credits(
            [account.user_id], actor=SYSTEM, delta=Decimal(1), reason="one"
        )

    results = at_once(*[add] * 40)
    assert [len(receipts.changed) for receipts in results] == [1] * 40
    assert figures(account) == (52, 0, 41)
    assert defects() == []


def test_threads_cannot_spend_more_than_there_is():
    account = holder("12.5")
    results = at_once(
        *(
            lambda key=f"r{n}": ledger.debit(account.user_id, Decimal(1), key, now=NOON)
            for n in range(30)
        )
    )
    won = [result for result in results if isinstance(result, ledger.Posted)]
    lost = [result for result in results if isinstance(result, InsufficientCredits)]
    assert (len(won), len(lost)) == (12, 18)
    assert sorted(transfer.version for transfer in won) == list(range(2, 14))
    assert figures(account) == (Decimal("0.5"), 12, 13)
    assert defects() == []


def test_threads_cannot_take_by_hand_what_others_spend():
    account = holder(20)

    def take():
        receipts = services.adjust_credits(
            [account.user_id], actor=SYSTEM, delta=Decimal(-7), reason="seven"
        )
        return len(receipts.changed)

    results = at_once(
        *[take] * 4,
        *(
            lambda key=f"r{n}": ledger.debit(account.user_id, Decimal(3), key, now=NOON)
            for n in range(8)
        ),
    )
    taken = sum(each for each in results if isinstance(each, int))
    spent = sum(isinstance(each, ledger.Posted) for each in results)
    assert figures(account)[0] == 20 - 7 * taken - 3 * spent
    assert 0 <= figures(account)[0] < 3 or taken == 4
    assert defects() == []


def test_one_key_sent_by_many_threads_is_debited_once():
    account = holder(100)
    results = at_once(*[lambda: ledger.debit(account.user_id, Decimal(2), "same", now=NOON)] * 16)
    assert len(set(results)) == 1, results
    assert figures(account) == (98, 2, 2)


def test_one_key_with_two_bodies_is_debited_once():
    account = holder(100)
    results = at_once(
        *(
            lambda amount=Decimal(2 + n % 2): ledger.debit(
                account.user_id, amount, "same", now=NOON
            )
            for n in range(12)
        )
    )
    assert {type(result) for result in results} == {ledger.Posted, IdempotencyConflict}
    assert figures(account)[2] == 2


def test_one_key_posted_by_many_threads_is_booked_once():
    account = holder()
    posting = Posting(account.pk, UP, Decimal(5), key="order 9")
    results = at_once(*[lambda: ledger.post([posting], now=NOON, actor_id=None)] * 12)
    assert len({result[0] for result in results}) == 1, results
    assert figures(account) == (5, 0, 1)


def test_one_request_sent_by_many_threads_runs_once():
    account = holder()

    def run():
        give(account, 1)
        return "given"

    results = at_once(*[lambda: once("k", digest("body"), run, now=NOON)] * 10)
    assert results == ["given"] * 10
    assert figures(account)[0] == 1


def test_batches_over_the_same_accounts_in_any_order_do_not_deadlock():
    accounts = [holder(1000) for _ in range(6)]

    def batch(order):
        for _ in range(5):
            ledger.post(
                [Posting(account.pk, DOWN, Decimal(-1)) for account in order],
                now=NOON,
                actor_id=None,
            )

    results = at_once(
        *(lambda order=accounts[n:] + accounts[:n]: batch(order) for n in range(6)),
        *(lambda order=accounts[n::-1]: batch(order) for n in range(6)),
    )
    assert results == [None] * 12
    assert defects() == []


def test_account_closed_meanwhile_is_not_debited():
    account = holder(10)
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(status=Account.Status.CLOSED)
        [result] = _while_waiting(
            lambda: ledger.debit(account.user_id, Decimal(1), "late", now=NOON)
        )
    result = result()
    assert isinstance(result, AccountUnavailable), result
    assert figures(account)[0] == 10


def _while_waiting(*jobs):
    """Start each job, and give back functions that wait for its result."""
    import threading

    from django.db import connections

    outcomes = []
    for job in jobs:
        box = []

        def run(job=job, box=box):
            try:
                box.append(job())
            except Exception as error:  # noqa: BLE001 (the test looks at it)
                box.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()
        _until_somebody_waits()
        outcomes.append(lambda thread=thread, box=box: (thread.join(60), box[0])[1])
    return outcomes


def _until_somebody_waits():
    import time

    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits for the lock")


# The copy that lists sort by


def _copy(times=1):
    return sum(services.copy_statistics(now=NOON) for _ in range(times))


def test_copy_finds_what_was_committed_long_after_its_id_was_drawn():
    early, late = holder(), holder()
    _copy(3)
    second = connection.copy()
    try:
        with transaction.atomic():
            give(early, 5)  # draws the lower id and is still running below
            with second.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO billing_transfer"
                    " (created_at, effective_at, account_id, code, delta)"
                    " VALUES (%s, %s, %s, 100, 7)",
                    [NOON, NOON, late.pk],
                )
            results = at_once(*[lambda: _copy(4)])
            assert results == [1]
        assert Transfer.objects.get(account=early).pk < Transfer.objects.get(account=late).pk
    finally:
        second.close()
    assert Statistics.objects.get(user=late.user_id).balance == 7
    assert Statistics.objects.get(user=early.user_id).balance == 0
    assert _copy() == 1
    assert Statistics.objects.get(user=early.user_id).balance == 5
    assert _copy(4) == 0


def test_copies_at_the_same_time_leave_the_work_to_one():
    accounts = [holder(n + 1) for n in range(5)]
    results = at_once(*[_copy] * 6)
    assert sum(results) == 5, results
    assert {row.balance for row in Statistics.objects.all()} == {1, 2, 3, 4, 5}
    assert len(accounts) == 5


def test_copy_while_everybody_spends_is_right_in_the_end():
    accounts = [holder(100) for _ in range(4)]

    def spend(account, n):
        for turn in range(10):
            ledger.debit(account.user_id, Decimal(1), f"{n}-{turn}", now=NOON)

    at_once(
        *(lambda a=account, n=n: spend(a, n) for n, account in enumerate(accounts)),
        *[lambda: _copy(8)] * 2,
    )
    _copy(1)
    assert {(row.balance, row.used) for row in Statistics.objects.all()} == {(90, 10)}
    assert defects() == []


def test_opening_balances_posted_twice_at_once_are_booked_once():
    accounts = [holder() for _ in range(20)]
    rows = [services.Opening(account.user_id, Decimal(9), Decimal(4)) for account in accounts]
    results = at_once(
        *[
            lambda: services.post_opening_balances(
                rows, now=NOON + timedelta(1), actor=SYSTEM, reason="import"
            )
        ]
        * 3
    )
    assert sorted(results) == [(0, 0, 20), (0, 0, 20), (20, 0, 0)]
    assert all(deltas(account) == [9] for account in accounts)
    assert defects() == []
