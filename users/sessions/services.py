"""Making people sign in anew, for jobs, commands and other services. People come through
``users.operations``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.timezone import now as time_now

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from users.sessions import reauthentication


def end_sessions(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """End every session of these users: each has to sign in again. API keys go on working."""
    return execute(
        reauthentication.END_SESSIONS,
        users,
        {},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def require_password_change(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Let these users do nothing but choose a new password, from their next page on. Refused for
    those who have none, and for closed accounts."""
    return execute(
        reauthentication.REQUIRE_CHANGE,
        users,
        {},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
