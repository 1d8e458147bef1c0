"""What pages show of credits."""

from datetime import timedelta

import pytest

from billing import ledger, reports
from billing.loading import LoadedMovement, load_history
from tests.billing.holders import NOON, PURCHASE, holder, take

pytestmark = pytest.mark.django_db


def history_of(count):
    account = holder()
    load_history(
        [
            (
                account.user_id,
                [
                    LoadedMovement(NOON + timedelta(days=n // 2), PURCHASE, n + 1)
                    for n in range(count)
                ],
            )
        ]
    )
    return account


def test_account_facts_are_live_and_take_one_query(django_assert_num_queries):
    account, other = holder(20, held=3, opening_used=100), holder(1)
    take(account, 5, ledger.USAGE)
    with django_assert_num_queries(1):
        facts = reports.account_facts([account.user_id, other.user_id, 10**15])
    assert set(facts) == {account.user_id, other.user_id}
    mine = facts[account.user_id]
    assert (mine.balance, mine.held, mine.available, mine.used) == (15, 3, 12, 105)
    assert (mine.version, mine.account_id, mine.status) == (2, account.pk, 1)


def test_balance_as_of_a_moment_includes_that_moment():
    account = history_of(4)  # +1 and +2 on the first day, +3 and +4 on the second
    assert reports.balance_as_of(account.user_id, NOON - timedelta(seconds=1)) == 0
    assert reports.balance_as_of(account.user_id, NOON) == 3
    assert reports.balance_as_of(account.user_id, NOON + timedelta(days=1)) == 10
    assert reports.balance_as_of(10**15, NOON) == 0


def test_used_by_day_counts_what_was_used_on_each_day_and_nothing_else():
    account = holder()
    use = [(31, 50), (29, 3), (29, 4), (1, 5), (0, 6)]
    movements = [LoadedMovement(NOON - timedelta(days=40), PURCHASE, 100)] + [
        LoadedMovement(NOON - timedelta(days=ago), ledger.USAGE, -amount) for ago, amount in use
    ]
    load_history([(account.user_id, movements)])
    take(account, 7)  # by hand: taken, not used
    used = reports.used_by_day(account.user_id, days=30, now=NOON)
    assert len(used) == 30
    assert {day: amount for day, amount in used if amount} == {
        (NOON - timedelta(days=29)).date(): 7,
        (NOON - timedelta(days=1)).date(): 5,
        NOON.date(): 6,
    }
