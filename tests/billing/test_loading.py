"""Histories loaded in bulk keep every rule of the ledger."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.ledger import USAGE, AccountUnavailable, InsufficientCredits
from billing.loading import LoadedMovement, load_history
from billing.models import ReversalCap, Transfer
from tests.billing.holders import NOON, PURCHASE, REVERSAL, defects, deltas, figures, holder
from users.models import User

pytestmark = pytest.mark.django_db


def month(n, code, delta, **more):
    return LoadedMovement(NOON - timedelta(days=30 * (24 - n)), code, Decimal(delta), **more)


def test_history_of_two_years_has_versions_and_running_balances():
    account, other = holder(), holder(5)
    group = uuid.uuid4()
    count = load_history(
        [
            (other.user_id, [month(2, PURCHASE, 7, reason="a pack", actor_id=3, group_id=group)]),
            (
                account.user_id,
                [
                    month(0, PURCHASE, 100),
                    month(5, USAGE, -30),
                    month(6, REVERSAL, 12, undoes=1),
                    month(24, USAGE, "-81.5"),
                ],
            ),
        ]
    )
    assert count == 5
    rows = Transfer.objects.filter(account=account).order_by("account_version")
    assert list(rows.values_list("account_version", "balance_after")) == [
        (1, 100),
        (2, 70),
        (3, 82),
        (4, Decimal("0.5")),
    ]
    assert figures(account) == (Decimal("0.5"), Decimal("99.5"), 4)
    assert account.updated_at == NOON
    assert (rows[2].reverses_id, rows[2].reverses_at) == (rows[1].pk, rows[1].created_at)
    assert ReversalCap.objects.get(transfer_id=rows[1].pk).reversed == 12
    pack = Transfer.objects.get(account=other, account_version=2)
    assert (pack.reason, pack.actor_id, pack.group_id, pack.balance_after) == (
        "a pack",
        3,
        group,
        12,
    )
    assert defects() == []


def test_history_that_its_account_refuses_is_not_loaded_at_all():
    account = holder()
    with (
        pytest.raises(InsufficientCredits, match="1 of 3 movements were refused"),
        transaction.atomic(),
    ):
        load_history(
            [
                (
                    account.user_id,
                    [month(0, PURCHASE, 10), month(1, USAGE, -11), month(2, USAGE, -10)],
                )
            ]
        )
    assert deltas(account) == []


def test_history_of_nobody_is_nothing():
    assert load_history([]) == 0
    account = holder()
    assert load_history([(account.user_id, [])]) == 0


def test_history_without_account_names_the_user():
    user = User.objects.create(username="nobody", password="!")
    with pytest.raises(AccountUnavailable, match=str(user.pk)):
        load_history([(user.pk, [month(0, PURCHASE, 10)])])


def test_history_takes_as_many_statements_for_one_as_for_many():
    counts = []
    for number in (1, 200):
        histories = [(holder().user_id, [month(0, PURCHASE, 10)]) for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            assert load_history(histories) == number
        counts.append(len(queries))
    assert counts[0] == counts[1]
