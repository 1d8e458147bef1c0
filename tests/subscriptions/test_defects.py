"""Standings that do not agree with what they stand for are found."""

import pytest
from django.core.management import call_command

from audit.people import SYSTEM
from subscriptions import reports, services
from subscriptions.models import Period, Standing, Subscription
from subscriptions.months import add_months
from tests.factories import NOON, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    user = make_user()
    end = add_months(NOON, 3)
    services.set_tier([user.pk], actor=SYSTEM, tier=2, ends_at=end, reason="x", now=NOON)
    return user


def rules():
    return [defect.rule for defect in reports.defects()]


def test_all_is_well(user, capsys):
    make_user()
    services.extend([user.pk], actor=SYSTEM, amount=2, reason="x", now=NOON)
    services.set_tier([user.pk], actor=SYSTEM, tier=0, reason="x", now=add_months(NOON, 1))
    assert rules() == []
    call_command("reconcile")
    assert "Everything agrees." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"months": 7}, "standing counts the months of its periods"),
        ({"tier": 1}, "standing has the tier of its subscription"),
        ({"ends_at": NOON}, "standing ends with its subscription"),
    ],
)
def test_a_standing_that_says_something_else_is_found(user, changed, rule):
    Standing.objects.filter(pk=user.pk).update(**changed)
    assert rules() == [rule]
    with pytest.raises(SystemExit):
        call_command("reconcile")


def test_a_standing_of_no_subscription_while_one_lives_is_found(user):
    Standing.objects.filter(pk=user.pk).update(subscription=None, tier=0, ends_at=None)
    assert rules() == ["standing is of the live subscription"]


def test_periods_and_subscriptions_changed_behind_the_back_are_found(user):
    Period.objects.filter(user=user).update(months=1)
    assert rules() == ["standing counts the months of its periods"]
    Period.objects.filter(user=user).update(months=3)
    Subscription.objects.filter(user=user).update(tier=3)
    assert rules() == ["standing has the tier of its subscription"]
