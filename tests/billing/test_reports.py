"""What pages show of credits."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing import ledger, reports
from billing.loading import LoadedMovement, load_history
from tests.billing.holders import NOON, PURCHASE, give, holder, take

pytestmark = pytest.mark.django_db


def history_of(count):
    account = holder()
    load_history(
        [
            (
                account.user_id,
                [
                    LoadedMovement(NOON + timedelta(days=n // 2), PURCHASE if n % 3 else 120, n + 1)
                    for n in range(count)
                ],
            )
        ]
    )
    return account


def test_history_is_newest_first_with_the_balance_after_each(django_assert_num_queries):
    account = holder("12.5")
    take(account, 4, ledger.USAGE)
    give(account, 10)
    with django_assert_num_queries(1):
        page = reports.credit_history(account.user_id)
        rows = [(row.code.label, row.delta, row.balance_after) for row in page.transfers]
    assert rows == [
        ("Purchase", 10, Decimal("18.5")),
        ("Usage", -4, Decimal("8.5")),
        ("Purchase", Decimal("12.5"), Decimal("12.5")),
    ]
    assert page.older is None


def test_history_in_pages_is_the_whole_history():
    account = history_of(23)
    seen, below = [], None
    while True:
        page = reports.credit_history(account.user_id, below=below, limit=5)
        seen += [row.account_version for row in page.transfers]
        if (below := page.older) is None:
            break
    assert seen == list(range(23, 0, -1))


def test_history_of_exactly_a_page_has_no_older():
    account = history_of(5)
    assert reports.credit_history(account.user_id, limit=5).older is None


def test_history_by_code_shows_only_those():
    account = history_of(9)
    page = reports.credit_history(account.user_id, codes=[120], limit=2)
    assert [row.account_version for row in page.transfers] == [7, 4]
    page = reports.credit_history(account.user_id, codes=[120], limit=2, below=page.older)
    assert [row.account_version for row in page.transfers] == [1]
    used = [(code.name, count) for code, count in reports.codes_used(account.user_id)]
    assert used == [("purchase", 6), ("promo", 3)]


def test_history_is_of_one_user_only():
    account, other = history_of(2), history_of(3)
    assert len(reports.credit_history(account.user_id).transfers) == 2
    assert {row.account_id for row in reports.credit_history(other.user_id).transfers} == {other.pk}


def test_history_of_a_user_without_account_is_empty():
    assert reports.credit_history(10**15).transfers == ()


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
