"""Acts on one user at once: who waited for another was asked before it, and comes after it."""

from datetime import timedelta

import pytest
from django.utils.timezone import now as time_now

from audit import operations
from audit.models import Act
from audit.people import SYSTEM
from audit.registry import operations as registered
from tests.factories import make_key, make_staff, make_user
from users.models import ApiKey, Restriction
from users.restrictions import services
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return make_user()


def suspend(user, now, code="spam"):
    ends_at = now + timedelta(days=3)
    return services.suspend(
        [user.pk], actor=SYSTEM, reason_code=code, ends_at=ends_at, reason="spam", now=now
    )


def test_suspending_twice_at_once_suspends_once(user):
    now = time_now()
    assert len(suspend(user, now).changed) == 1
    assert len(suspend(user, now - timedelta(milliseconds=20)).unchanged) == 1
    assert Restriction.objects.filter(user=user).count() == 1


def test_lift_that_waited_for_a_suspension_lifts_it(user):
    now = time_now()
    suspend(user, now)
    services.lift_restriction(
        [user.pk],
        actor=SYSTEM,
        kind="suspension",
        reason_code="",
        reason="a slip",
        now=now - timedelta(milliseconds=20),
    )
    assert Restriction.objects.get(user=user).lifted_at is not None


def test_undo_that_waited_for_another_suspension_gives_no_keys_back(user):
    make_key(user)
    now = time_now()
    suspend(user, now - timedelta(minutes=5))
    suspend(user, now, code="api_abuse")
    first = Act.objects.order_by("created_at").first()
    operations.undo(
        registered()["users.suspend"],
        first,
        actor=make_staff(Role.SUPER_ADMIN),
        now=now - timedelta(milliseconds=20),
        reason="a slip",
    )
    assert Act.objects.filter(undoes=first).exists()
    assert ApiKey.objects.get().revoked_at is not None
