"""Posting and debiting: what is booked, what is refused, what happens once."""

import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import ledger
from billing.idempotency import IdempotencyConflict, digest, once
from billing.ledger import AccountUnavailable, InsufficientCredits, Posting
from billing.models import Account, Idempotency, Transfer
from tests.billing.holders import (
    CHARGEBACK,
    DOWN,
    NOON,
    PURCHASE,
    REVERSAL,
    UP,
    defects,
    deltas,
    figures,
    give,
    holder,
    take,
)
from tests.factories import make_users

pytestmark = pytest.mark.django_db
AMOUNTS = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(10**9), places=6)


def post(*postings, **more):
    return ledger.post(list(postings), **{"now": NOON, "actor_id": None} | more)


def test_post_moves_the_account_and_says_what_it_booked():
    account = holder()
    group = uuid.uuid4()
    [booked] = post(
        Posting(account.pk, PURCHASE, Decimal("12.5"), "a pack", ref=(3, 77)),
        actor_id=9,
        group_id=group,
    )
    assert figures(account) == (Decimal("12.5"), 0, 1)
    assert (account.credited_total, account.debited_total) == (Decimal("12.5"), 0)
    assert account.updated_at == NOON
    transfer = Transfer.objects.get(pk=booked.id)
    assert (booked.version, booked.balance_after, booked.created_at) == (1, Decimal("12.5"), NOON)
    assert (transfer.account_version, transfer.balance_after) == (1, Decimal("12.5"))
    assert (transfer.code.contra.code, transfer.code.name) == ("purchases", "purchase")
    assert (transfer.group_id, transfer.actor_id, transfer.reason) == (group, 9, "a pack")
    assert (transfer.ref_type, transfer.ref_id, transfer.effective_at) == (3, 77, NOON)


def test_post_books_several_on_one_account_in_their_order():
    account, other = holder(), holder(5)
    booked = post(
        Posting(account.pk, PURCHASE, Decimal(10)),
        Posting(other.pk, DOWN, Decimal(-2)),
        Posting(account.pk, DOWN, Decimal(-4)),
        Posting(account.pk, DOWN, Decimal(-7)),
        Posting(account.pk, DOWN, Decimal(-6)),
    )
    assert [each and each.balance_after for each in booked] == [10, 3, 6, None, 0]
    assert deltas(account) == [10, -4, -6]
    assert defects() == []


def test_post_of_nothing_is_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert post() == []


@pytest.mark.parametrize("keyed", [False, True])
def test_post_takes_as_many_statements_for_one_as_for_a_thousand(keyed):
    accounts = dict(
        Account.objects.filter(user__in=make_users(1_001)).values_list("user_id", "pk")
    ).values()
    counts = []
    for ids in (list(accounts)[:1], list(accounts)[1:]):
        postings = [
            Posting(pk, PURCHASE, Decimal(1), key=f"k{pk}" if keyed else None) for pk in ids
        ]
        with CaptureQueriesContext(connection) as queries:
            assert None not in post(*postings)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("amount", ["0.0000001", "1.2345678", "NaN", "Infinity"])
def test_post_refuses_amounts_it_would_round(amount):
    account = holder()
    with pytest.raises(ValueError, match="6 places"):
        post(Posting(account.pk, PURCHASE, Decimal(amount)))
    assert figures(account) == (0, 0, 0)


def test_post_takes_trailing_zeros_beyond_its_places():
    account = holder()
    post(Posting(account.pk, PURCHASE, Decimal("1.50000000")))
    assert figures(account)[0] == Decimal("1.5")


@pytest.mark.parametrize(
    ("code", "delta"),
    [(PURCHASE, -1), (DOWN, 1), (PURCHASE, 0), (999, 1), (REVERSAL, -1)],
)
def test_post_refuses_codes_that_do_not_move_that_way(code, delta):
    account = holder(5)
    with pytest.raises(IntegrityError), transaction.atomic():
        post(Posting(account.pk, code, Decimal(delta)))
    assert figures(account) == (5, 0, 1)


@pytest.mark.parametrize("pk", [1, 5, 10**12])
def test_post_refuses_accounts_that_are_no_users(pk):
    with pytest.raises(IntegrityError), transaction.atomic():
        post(Posting(pk, PURCHASE, Decimal(1)))


def test_usage_may_go_to_the_overdraft_limit_and_no_further():
    account = holder(10, overdraft_limit=5)
    assert take(account, 15, ledger.USAGE)
    assert take(account, "0.000001", ledger.USAGE) is None
    assert figures(account) == (-5, 15, 2)


def test_credits_taken_by_hand_stop_at_zero_whatever_the_overdraft():
    account = holder(10, overdraft_limit=5)
    assert take(account, "10.000001") is None
    assert take(account, 10)
    assert figures(account) == (0, 0, 2)


def test_chargeback_may_use_the_settlement_slack_too():
    account = holder(10, overdraft_limit=5, settle_slack=100)
    assert take(account, 115, CHARGEBACK)
    assert take(account, "0.000001", CHARGEBACK) is None
    assert figures(account)[0] == -105


def test_held_credits_cannot_be_taken():
    account = holder(10, held=4)
    assert take(account, "6.000001") is None
    assert take(account, 6)
    assert take(account, 1, ledger.USAGE) is None


def test_frozen_account_spends_nothing_but_can_be_adjusted():
    account = holder(10, status=Account.Status.FROZEN)
    assert take(account, 1, ledger.USAGE) is None
    assert take(account, 4)
    assert give(account, 2)
    assert figures(account)[0] == 8


def test_closed_account_moves_no_more():
    account = holder(10)
    Account.objects.filter(pk=account.pk).update(status=Account.Status.CLOSED)
    assert give(account, 1) is None
    assert take(account, 1) is None
    assert figures(account) == (10, 0, 1)


def test_debt_is_paid_by_the_next_credit():
    account = holder(overdraft_limit=20)
    take(account, 15, ledger.USAGE)
    give(account, 10)
    assert figures(account) == (-5, 15, 2)
    assert (account.credited_total, account.debited_total) == (10, 15)


def test_used_counts_use_and_what_is_given_back_reduces_it():
    account = holder(100)
    used = take(account, 30, ledger.USAGE)
    take(account, 20)
    take(account, 10, 210)
    give(account, 5, REVERSAL, reverses=(used.id, used.created_at))
    assert figures(account)[:2] == (45, 35)


# Reversals


def test_reversal_in_parts_is_capped_by_what_was_moved():
    account = holder(100)
    used = take(account, 30, ledger.USAGE)
    take(account, 50, ledger.USAGE)
    reverses = (used.id, used.created_at)
    give(account, 12, REVERSAL, reverses=reverses)
    give(account, 18, REVERSAL, reverses=reverses)
    with pytest.raises(IntegrityError, match="reversal_capped"), transaction.atomic():
        give(account, "0.000001", REVERSAL, reverses=reverses)
    assert figures(account) == (50, 50, 5)
    assert defects() == []


def test_reversal_of_more_than_was_moved_is_refused_at_once():
    account = holder(100)
    used = take(account, 30, ledger.USAGE)
    take(account, 50, ledger.USAGE)
    with pytest.raises(IntegrityError, match="reversal_capped"), transaction.atomic():
        give(account, 31, REVERSAL, reverses=(used.id, used.created_at))


def test_reversal_goes_the_other_way():
    account = holder(100)
    bought = give(account, 30)
    with pytest.raises(IntegrityError, match="cannot be reversed"), transaction.atomic():
        give(account, 30, UP, reverses=(bought.id, bought.created_at))


def test_reversal_stays_on_the_account():
    account, other = holder(100), holder(100)
    used = take(account, 30, ledger.USAGE)
    with pytest.raises(IntegrityError, match="cannot be reversed"), transaction.atomic():
        give(other, 30, UP, reverses=(used.id, used.created_at))


def test_reversal_cannot_be_reversed():
    account = holder(100)
    used = take(account, 30, ledger.USAGE)
    back = give(account, 30, REVERSAL, reverses=(used.id, used.created_at))
    with pytest.raises(IntegrityError, match="cannot be reversed"), transaction.atomic():
        take(account, 30, reverses=(back.id, back.created_at))


def test_reversal_of_what_never_was_is_refused():
    account = holder(100)
    with pytest.raises(IntegrityError, match="cannot be reversed"), transaction.atomic():
        give(account, 1, UP, reverses=(10**15, NOON))


# Once per key


def test_posting_with_a_key_is_booked_once():
    account = holder()
    posting = Posting(account.pk, PURCHASE, Decimal(5), key="order 1")
    first, again = post(posting), post(posting._replace(delta=Decimal("5.00")))
    assert first == again
    assert figures(account) == (5, 0, 1)


def test_posting_with_a_key_and_another_body_conflicts_and_books_nothing():
    account, other = holder(), holder()
    post(Posting(account.pk, PURCHASE, Decimal(5), key="order 1"))
    with pytest.raises(IdempotencyConflict, match="order 1"):
        post(
            Posting(other.pk, PURCHASE, Decimal(1), key="order 2"),
            Posting(account.pk, PURCHASE, Decimal(6), key="order 1"),
        )
    assert (figures(account)[2], figures(other)[2]) == (1, 0)


def test_posting_of_some_known_and_some_new_keys_books_the_new():
    account = holder()
    [first] = post(Posting(account.pk, PURCHASE, Decimal(5), key="a"))
    booked = post(
        Posting(account.pk, PURCHASE, Decimal(1)),
        Posting(account.pk, PURCHASE, Decimal(5), key="a"),
        Posting(account.pk, PURCHASE, Decimal(2), key="b"),
    )
    assert booked[1] == first
    assert [each.balance_after for each in booked] == [6, 5, 8]


def test_posting_that_was_refused_leaves_its_key_free():
    account = holder(3)
    posting = Posting(account.pk, DOWN, Decimal(-5), key="take")
    assert post(posting) == [None]
    give(account, 10)
    assert post(posting)[0].balance_after == 8


def test_postings_with_one_key_twice_are_a_mistake():
    account = holder()
    with pytest.raises(ValueError, match="same key"):
        post(*[Posting(account.pk, PURCHASE, Decimal(5), key="a")] * 2)


def test_debit_takes_once_in_one_statement(django_assert_num_queries):
    account = holder(20)
    with django_assert_num_queries(3):  # two of them the savepoint of this test's transaction
        first = ledger.debit(account.user_id, Decimal("7.5"), "r1", now=NOON)
    again = ledger.debit(account.user_id, Decimal("7.500"), "r1", now=NOON)
    assert first == again
    assert figures(account) == (Decimal("12.5"), Decimal("7.5"), 2)
    assert defects() == []


def test_debit_with_the_key_of_another_conflicts():
    account = holder(20)
    ledger.debit(account.user_id, Decimal(7), "r1", now=NOON)
    with pytest.raises(IdempotencyConflict, match="r1"):
        ledger.debit(account.user_id, Decimal(8), "r1", now=NOON)
    assert figures(account)[0] == 13


def test_debit_beyond_the_balance_says_so_and_leaves_the_key_free():
    account = holder("12.5")
    with pytest.raises(
        InsufficientCredits, match=r"The balance is 12\.50; 50 cannot be taken from it\."
    ):
        ledger.debit(account.user_id, Decimal(50), "r1", now=NOON)
    assert not Idempotency.objects.exists()
    give(account, 50)
    assert ledger.debit(account.user_id, Decimal(50), "r1", now=NOON).balance_after == Decimal(
        "12.5"
    )


def test_debit_of_held_credits_says_how_much_is_held():
    account = holder(10, held=4)
    with pytest.raises(InsufficientCredits, match=r"10\.00, of which 4\.00 is held; 7 cannot"):
        ledger.debit(account.user_id, Decimal(7), "r1", now=NOON)


@pytest.mark.parametrize("status", [Account.Status.FROZEN, Account.Status.CLOSED])
def test_debit_of_an_account_that_is_not_active_says_so(status):
    account = holder(10, status=status) if status == 2 else holder(10)
    Account.objects.filter(pk=account.pk).update(status=status)
    with pytest.raises(AccountUnavailable, match=str(status.label)):
        ledger.debit(account.user_id, Decimal(1), "r1", now=NOON)


def test_debit_without_an_account_says_so():
    with pytest.raises(AccountUnavailable, match="no credit account"):
        ledger.debit(10**15, Decimal(1), "r1", now=NOON)


@pytest.mark.parametrize("amount", ["0", "-1", "0.0000001"])
def test_debit_of_no_amount_is_a_mistake(amount):
    account = holder(10)
    with pytest.raises(ValueError, match=r"amount"):
        ledger.debit(account.user_id, Decimal(amount), "r1", now=NOON)


def test_request_runs_once_per_key_and_body():
    calls = []

    def run():
        calls.append(1)
        return {"n": len(calls)}

    assert once("k", digest("a"), run, now=NOON) == {"n": 1}
    assert once("k", digest("a"), run, now=NOON) == {"n": 1}
    with pytest.raises(IdempotencyConflict):
        once("k", digest("b"), run, now=NOON)
    assert len(calls) == 1


def test_request_that_failed_may_be_sent_again():
    with pytest.raises(ZeroDivisionError):
        once("k", digest("a"), lambda: 1 / 0, now=NOON)
    assert once("k", digest("a"), lambda: "done", now=NOON) == "done"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.booleans(), AMOUNTS), max_size=12))
def test_balance_is_the_sum_of_what_was_booked(moves):
    account = holder()
    booked = post(*(Posting(account.pk, UP if up else DOWN, x if up else -x) for up, x in moves))
    balance = Decimal(0)
    for (up, amount), transfer in zip(moves, booked, strict=True):
        if up or amount <= balance:
            balance += amount if up else -amount
            assert transfer.balance_after == balance
        else:
            assert transfer is None
    assert figures(account)[0] == balance == sum(deltas(account))
