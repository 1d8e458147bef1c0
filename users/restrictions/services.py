"""Suspending people and letting them back, for jobs, commands and other services. People come
through ``users.operations``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.timezone import now as time_now

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from users.models import Restriction
from users.restrictions import restricting


def suspend(
    users: Sequence[int],
    *,
    actor: Actor,
    reason_code: str,
    ends_at: datetime | None,
    reason: str,
    public_text: str = "",
    internal_note: str = "",
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Suspend these users until ``ends_at`` (None: for good), ending their sessions and API keys
    in the same transaction. ``reason_code``: a code of ReasonCode; ``public_text`` is what the
    user reads. A closed account is refused; the same suspension twice changes nothing."""
    return execute(
        restricting.SUSPEND,
        users,
        {
            "reason_code": reason_code,
            "ends_at": ends_at,
            "public_text": public_text,
            "internal_note": internal_note,
        },
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def lift_restriction(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    kind: str = Restriction.Kind.SUSPENSION,
    reason_code: str = "",
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Lift the live restrictions of that kind, all or (``reason_code``) those imposed for one
    reason. Others that hold stay. Sessions and API keys that a suspension ended stay ended."""
    return execute(
        restricting.LIFT,
        users,
        {"kind": kind, "reason_code": reason_code},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
