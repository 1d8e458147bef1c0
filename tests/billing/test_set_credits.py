"""Balances brought to an exact figure."""

from decimal import Decimal

import pytest

from audit import operations
from audit.models import Act
from audit.people import SYSTEM
from audit.registry import operations as registered
from billing import services
from billing.models import Account, Transfer
from tests import checksum
from tests.billing.holders import NOON, at_once, defects, deltas, figures, give, holder
from tests.factories import make_staff
from users.roles import Role

pytestmark = [pytest.mark.django_db]


def set_to(account, balance, **more):
    receipts = services.set_credits(
        [account.user_id], actor=SYSTEM, balance=Decimal(balance), reason="agreed", **more
    )
    [row] = receipts.rows
    return row


def perform(accounts, balance, actor, **more):
    ids = [account.user_id for account in accounts]
    now_held = dict(Account.objects.filter(user__in=ids).values_list("user_id", "version"))
    return operations.perform(
        registered()["billing.set_credits"],
        ids,
        {"balance": Decimal(balance)},
        actor=actor,
        now=NOON,
        reason="agreed",
        seen=more.pop("seen", now_held),
        **more,
    )


@pytest.mark.parametrize(
    ("held", "wanted", "delta", "code"),
    [("12.5", "20", "7.5", 410), ("12.5", "0", "-12.5", 411), (0, "0.000001", "0.000001", 410)],
)
def test_set_credits_books_one_transfer_of_the_difference(held, wanted, delta, code):
    account = holder(held)
    before = len(deltas(account))
    row = set_to(account, wanted)
    assert (row.before["credits"], row.after["credits"]) == (Decimal(held), Decimal(wanted))
    assert figures(account)[0] == Decimal(wanted)
    assert deltas(account)[before:] == [Decimal(delta)]
    assert Transfer.objects.filter(account=account).latest("account_version").code_id == code
    assert defects() == []


def test_set_credits_to_what_it_is_books_nothing():
    account = holder(5)
    before = checksum.database()
    assert set_to(account, 5).outcome.name == "UNCHANGED"
    assert checksum.database() == before


def test_set_credits_of_a_debtor_settles_the_debt():
    account = holder(0, overdraft_limit=100)
    give(account, -30, code=200)
    set_to(account, 0)
    assert figures(account)[0] == 0


def test_set_credits_below_what_is_held_is_refused():
    account = holder(50, held=20)
    assert "20.00 is held" in set_to(account, 10).refusal.sentence
    assert set_to(account, 20).refusal is None


def test_set_credits_of_a_closed_account_is_refused():
    account = holder(50, status=Account.Status.CLOSED)
    assert "closed" in set_to(account, 10).refusal.sentence


def test_set_credits_after_the_balance_moved_is_refused_and_writes_nothing():
    account, other = holder(50), holder(50)
    seen = {each.user_id: each.version for each in (account, other)}
    give(account, 1)
    done = perform([account, other], 10, make_staff(Role.SUPER_ADMIN), seen=seen)
    assert [row.target_id for row in done.changed] == [other.user_id]
    [refused] = done.refused
    assert "Something changed since you looked" in refused.refusal.sentence
    assert figures(account)[0] == 51


def test_set_credits_without_having_looked_is_refused_and_writes_nothing():
    account, boss = holder(50), make_staff(Role.SUPER_ADMIN)
    before = checksum.database()
    with pytest.raises(operations.OperationRefused, match="Look at what would change first"):
        perform([account], 10, boss, seen=None)
    assert checksum.database() == before


def test_set_credits_of_one_who_was_not_looked_at_is_refused():
    account, other = holder(50), holder(50)
    seen = {account.user_id: account.version}
    done = perform([account, other], 10, make_staff(Role.SUPER_ADMIN), seen=seen)
    assert [row.target_id for row in done.refused] == [other.user_id]


def test_undo_of_set_credits_reverses_the_transfer_whatever_came_after():
    account, boss = holder(50), make_staff(Role.SUPER_ADMIN)
    done = perform([account], 80, boss)
    give(account, 5)
    undone = operations.undo(
        registered()["billing.set_credits"],
        Act.objects.get(pk=done.act_id),
        actor=boss,
        now=NOON,
        reason="undo",
    )
    assert len(undone.changed) == 1
    assert figures(account)[0] == 55
    assert Transfer.objects.filter(account=account, reverses_id__isnull=False).count() == 1
    assert defects() == []


# Caps: what counts is by how much each balance moves


def test_set_credits_counts_the_differences_against_the_cap():
    admin = make_staff(Role.USER_ADMIN)
    rich, poor = holder(9_000), holder(0)
    assert perform([rich, poor], 9_500, admin).changed  # moves 500 and 9,500
    with pytest.raises(operations.OperationRefused, match="at most 10,000"):
        perform([rich, poor], 20_000, admin)
    with pytest.raises(operations.OperationRefused, match="at most 10,000"):
        perform([rich, poor], 0, admin)  # taking counts as adding does


def test_set_credits_and_adjust_credits_share_one_allowance():
    admin, account = make_staff(Role.USER_ADMIN), holder(0)
    for n in range(1, 11):
        perform([account], 10_000 * (n % 2), admin)
    before = checksum.database()
    with pytest.raises(operations.OperationRefused, match="at most 100,000"):
        perform([account], 1, admin)
    with pytest.raises(operations.OperationRefused, match="at most 100,000"):
        operations.perform(
            registered()["billing.adjust_credits"],
            [account.user_id],
            {"delta": Decimal(1)},
            actor=admin,
            now=NOON,
            reason="x",
        )
    assert checksum.database() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_of_two_who_saw_the_same_balance_one_sets_it():
    account = holder(50)
    seen = {account.user_id: account.version}
    staff = [make_staff(Role.SUPER_ADMIN) for _n in range(2)]
    results = at_once(
        *(
            lambda actor=actor, n=n: perform([account], 10 + n, actor, seen=seen)
            for n, actor in enumerate(staff)
        )
    )
    assert sorted(len(receipts.changed) for receipts in results) == [0, 1], results
    assert defects() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_threads_that_set_and_give_lose_nothing():
    account = holder(50)
    results = at_once(
        *(lambda n=n: set_to(account, n) for n in range(1, 6)),
        *[lambda: give(account, 3)] * 5,
    )
    assert not [each for each in results if isinstance(each, Exception)]
    assert defects() == []
