"""What another system tells of subscriptions that were changed here in between."""

from datetime import timedelta

import pytest

from audit.people import SYSTEM
from subscriptions import reports, services
from subscriptions.importing import Told, retell, take_over
from subscriptions.models import Period, Standing
from tests.factories import NOON, make_user

pytestmark = pytest.mark.django_db
END = NOON + timedelta(days=90)


def test_an_imported_subscription_is_told_anew_after_its_tier_went_there_and_back():
    user = make_user()
    take_over([Told(user.pk, 1, NOON, END, 5, over=False)])
    for n, tier in enumerate((2, 1), start=1):
        now = NOON + timedelta(days=n)
        services.set_tier([user.pk], actor=SYSTEM, tier=tier, reason="x", now=now)
    assert Period.objects.filter(user=user).count() == 3

    retell([Told(user.pk, 3, NOON, END, 6, over=False)], now=NOON + timedelta(days=3))

    standing = Standing.objects.get(pk=user.pk)
    assert (standing.tier, standing.ends_at, standing.legacy_months) == (3, END, 6)
    assert Period.objects.get(user=user).tier_id == 3
    assert list(reports.defects()) == []
