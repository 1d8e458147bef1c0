"""How much a role moves by hand: per act, per day, per user, over every path and under a race."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils.timezone import now

from audit import operations
from audit.execution import ApprovalNeeded
from audit.operations import OperationRefused
from billing.operations import ADJUST_CREDITS
from tests.factories import make_staff, make_users
from users.models import User
from users.roles import Role

pytestmark = pytest.mark.django_db


def give(ids, delta, actor, at=None):
    return operations.perform(
        ADJUST_CREDITS, ids, {"delta": Decimal(delta)}, actor=actor, now=at or now(), reason="x"
    )


def test_user_admin_moves_up_to_ten_thousand_at_once():
    ids, actor = make_users(2), make_staff(Role.USER_ADMIN)
    assert len(give(ids, 5_000, actor).changed) == 2
    with pytest.raises(OperationRefused, match="at most 10,000"):
        give(ids, Decimal("5000.000001"), actor)


def test_user_admin_moves_up_to_a_hundred_thousand_a_day_both_ways():
    ids, actor = make_users(1), make_staff(Role.USER_ADMIN)
    for delta in (10_000, -10_000) * 5:
        give(ids, delta, actor)
    with pytest.raises(OperationRefused, match=r"24 hours; 0\.00 are left"):
        give(ids, 1, actor)
    tomorrow = now() + timedelta(days=1, minutes=1)
    assert give(ids, 1, actor, at=tomorrow).changed


def test_super_admin_moves_alone_what_one_person_may():
    ids, actor = make_users(2), make_staff(Role.SUPER_ADMIN)
    assert give(ids[:1], 100_000, actor).changed
    with pytest.raises(ApprovalNeeded, match="More than 100,000"):
        give(ids, 100_000, actor)


def test_support_gives_fifty_to_a_user_in_thirty_days_whoever_gave():
    [user], one, other = make_users(1), make_staff(Role.SUPPORT), make_staff(Role.SUPPORT)
    give([user], 30, one)
    give([user], 20, other)
    with pytest.raises(OperationRefused, match="at most 50"):
        give([user], 1, one)
    assert give([user], 1, one, at=now() + timedelta(days=31)).changed


def test_support_takes_nothing():
    [user] = make_users(1)
    give([user], 10, make_staff(Role.USER_ADMIN))
    with pytest.raises(OperationRefused, match="does not take"):
        give([user], -1, make_staff(Role.SUPPORT))


def test_support_acts_twenty_times_a_day():
    ids, actor = make_users(21), make_staff(Role.SUPPORT)
    for pk in ids[:20]:
        give([pk], 1, actor)
    with pytest.raises(OperationRefused, match="20 times"):
        give([ids[20]], 1, actor)


@pytest.mark.parametrize(("role", "delta"), [(Role.USER_ADMIN, 10_001), (Role.SUPPORT, 51)])
def test_preview_says_that_a_limit_would_be_exceeded(role, delta):
    looking = {"actor": make_staff(role), "now": now()}
    params = {"delta": Decimal(delta)}
    if role == Role.SUPPORT:
        with pytest.raises(OperationRefused, match="at most 50"):
            operations.preview(ADJUST_CREDITS, make_users(1), params, **looking)
    else:
        seen = operations.preview(ADJUST_CREDITS, make_users(1), params, **looking)
        assert "at most 10,000" in seen.approval[0]


@pytest.mark.django_db(transaction=True)
def test_two_acts_at_once_do_not_share_one_allowance():
    ids, actor = make_users(4), make_staff(Role.USER_ADMIN)
    for _ in range(9):
        give(ids[:1], 10_000, actor)
    start, outcomes = threading.Barrier(4), []

    def press(pk):
        start.wait()
        try:
            outcomes.append(len(give([pk], 10_000, actor).changed))
        except OperationRefused:
            outcomes.append(0)
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(pk,)) for pk in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == [0, 0, 0, 1]
    total = sum(User.objects.values_list("account__balance", flat=True).exclude(account=None))
    assert total == 100_000
