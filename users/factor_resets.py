"""Resets of a second factor that were asked for. Each waits a day, in which its owner or staff can
cancel it; what becomes of it then is ``users.second_factor.taking``. The only module that writes
them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Subquery

from users.models import SecondFactorReset

WAIT = timedelta(hours=24)
OPEN = Q(cancelled_at__isnull=True, done_at__isnull=True)


def ask(users: Collection[int], *, act_id: uuid.UUID, now: datetime) -> list[SecondFactorReset]:
    """A reset for each of these users, none of whom may have an open one; one statement."""
    return SecondFactorReset.objects.bulk_create(
        SecondFactorReset(user_id=user, requested_at=now, due_at=now + WAIT, act_id=act_id)
        for user in users
    )


def cancel(users: Collection[int], *, now: datetime) -> int:
    """Cancel what is open for these users: the second factor stays, and the letter's link is over.
    Returns how many that were. One statement."""
    rows = SecondFactorReset.objects.filter(OPEN, user__in=list(users))
    return rows.update(cancelled_at=now)


def note_done(reset: SecondFactorReset, now: datetime) -> None:
    """It took effect."""
    SecondFactorReset.objects.filter(pk=reset.pk).update(done_at=now)


def is_open(reset: SecondFactorReset) -> bool:
    """Whether it waits, or is due and was not carried out yet."""
    return reset.cancelled_at is None and reset.done_at is None


def open_of(user_id: int) -> SecondFactorReset | None:
    """The reset that waits for this user, if one does."""
    return SecondFactorReset.objects.filter(OPEN, user=user_id).first()


def waiting(user: Any) -> Subquery:
    """When the open reset of the user of an outer query takes effect; NULL when there is none."""
    return Subquery(SecondFactorReset.objects.filter(OPEN, user=user).values("due_at")[:1])


def due(now: datetime) -> list[SecondFactorReset]:
    """Those whose time has come, the longest waiting first."""
    return list(SecondFactorReset.objects.filter(OPEN, due_at__lte=now).order_by("due_at", "pk"))
