"""What super admins set for everybody (``users.models.Setting``), read cheaply: by every request.

A process reads the table once and then again after three seconds, so that what was saved through
another one holds there almost at once. What is not set is as ``roles.CREDIT_LIMITS`` and Django's
settings say. ``users.configuring`` saves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from audit.people import ApprovalLimits, CreditLimits
from users.roles import APPROVAL_LIMITS, CREDIT_LIMITS, Role
from users.view_models import Setting

SESSIONS, APPROVALS = "sessions", "approvals"
LIMITED_ROLES = tuple(CREDIT_LIMITS)
_FRESH_FOR = 3.0


class Shelf:
    """What this process knows of the table, until ``fresh_until`` (``time.monotonic``)."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.fresh_until = 0.0

    def read(self, name: str) -> Mapping[str, Any] | None:
        """What is set under this name; None for the default."""
        if time.monotonic() >= self.fresh_until:
            self.known = dict(Setting.objects.values_list("name", "value"))
            self.fresh_until = time.monotonic() + _FRESH_FOR
        return self.known.get(name)

    def forget(self) -> None:
        """Read the table again at the next question."""
        self.fresh_until = 0.0


shelf = Shelf()


class SessionLimits(NamedTuple):
    """A session ends after ``idle`` without use, and ``absolute`` after the sign-in."""

    idle: timedelta
    absolute: timedelta


def session_limits() -> SessionLimits:
    """When sessions end."""
    kept = shelf.read(SESSIONS)
    if kept is None:
        idle, absolute = settings.SESSION_IDLE_SECONDS, settings.SESSION_ABSOLUTE_SECONDS
        return SessionLimits(timedelta(seconds=idle), timedelta(seconds=absolute))
    return SessionLimits(
        timedelta(minutes=kept["idle_minutes"]), timedelta(minutes=kept["absolute_minutes"])
    )


def approval_limits() -> ApprovalLimits:
    """What one person does alone."""
    kept = shelf.read(APPROVALS)
    if kept is None:
        return APPROVAL_LIMITS
    return ApprovalLimits(users=kept["users"], credits=Decimal(kept["credits"]))


def limits_name(role: str) -> str:
    """Under which name the limits of a role are kept."""
    return f"credit_limits.{role}"


def credit_limits(role: str) -> CreditLimits | None:
    """How many credits a role moves by hand; None: as many as it likes."""
    default = CREDIT_LIMITS.get(Role(role))
    kept = shelf.read(limits_name(role)) if default else None
    if default is None or kept is None:
        return default
    month = kept["per_user_a_month"]
    return replace(
        default,
        per_act=Decimal(kept["per_act"]),
        per_day=Decimal(kept["per_day"]),
        acts_per_day=kept["acts_per_day"],
        per_user_a_month=None if month is None else Decimal(month),
    )
