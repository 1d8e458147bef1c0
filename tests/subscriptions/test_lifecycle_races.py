"""What several people do to one subscription at the same moment, with real threads and commits."""

import pytest

from audit import operations
from audit.people import SYSTEM
from audit.registry import operations as registered
from subscriptions import services
from subscriptions.models import Period, Standing
from subscriptions.months import add_months
from tests.billing.holders import at_once
from tests.factories import NOON, make_staff, make_user
from users.roles import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def subscribed():
    user = make_user()
    services.set_tier(
        [user.pk], actor=SYSTEM, tier=1, ends_at=add_months(NOON, 1), reason="x", now=NOON
    )
    return user


def extend(user):
    return services.extend([user.pk], actor=SYSTEM, amount=1, reason="x", now=NOON)


def in_step(user):
    facts = Standing.objects.get(pk=user.pk)
    rows = Period.objects.filter(user=user).order_by("span")
    assert facts.months == sum(row.months for row in rows)
    assert facts.ends_at == rows.last().span.upper
    return facts


def test_ten_extensions_at_once_all_count():
    user = subscribed()
    results = at_once(*[lambda: extend(user)] * 10)
    assert [len(receipts.changed) for receipts in results] == [1] * 10
    facts = in_step(user)
    assert (facts.months, facts.ends_at) == (11, add_months(NOON, 11))


def test_of_two_who_saw_the_same_one_extends():
    user, operation = subscribed(), registered()["subscriptions.extend"]
    seen = {user.pk: Standing.objects.get(pk=user.pk).version}
    staff = [make_staff(Role.USER_ADMIN) for _n in range(2)]
    results = at_once(
        *(
            lambda actor=actor: operations.perform(
                operation,
                [user.pk],
                {"amount": 1, "unit": "months"},
                actor=actor,
                now=NOON,
                reason="x",
                seen=seen,
            )
            for actor in staff
        )
    )
    assert sorted(len(receipts.changed) for receipts in results) == [0, 1], results
    assert in_step(user).months == 2


def test_an_end_and_an_extension_at_once_are_one_after_the_other():
    user = subscribed()
    end = add_months(NOON, 6)

    def set_end():
        return services.set_expiry([user.pk], actor=SYSTEM, ends_at=end, reason="x", now=NOON)

    results = at_once(set_end, lambda: extend(user))
    assert [len(receipts.changed) for receipts in results] == [1, 1], results
    assert in_step(user).ends_at in (end, add_months(NOON, 7))


def test_two_starts_at_once_leave_one_subscription():
    user = make_user()

    def start(tier):
        return services.set_tier(
            [user.pk], actor=SYSTEM, tier=tier, ends_at=add_months(NOON, 1), reason="x", now=NOON
        )

    results = at_once(lambda: start(1), lambda: start(2))
    assert all(receipts.changed for receipts in results), results
    assert in_step(user).months == 1
    assert user.subscriptions.count() == 1


def test_two_of_support_extend_once():
    user, operation = subscribed(), registered()["subscriptions.extend"]

    def help_out(actor):
        return operations.perform(
            operation,
            [user.pk],
            {"amount": 7, "unit": "days"},
            actor=actor,
            now=NOON,
            reason="x",
        )

    staff = [make_staff(Role.SUPPORT) for _n in range(2)]
    results = at_once(*(lambda actor=actor: help_out(actor) for actor in staff))
    assert sum(isinstance(each, operations.OperationRefused) for each in results) == 1, results
