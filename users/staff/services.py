"""Granting and revoking staff roles, for commands and other services. People come through
``users.operations``, where the ceiling stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.timezone import now as time_now

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from users.staff import staffing


def grant_role(
    users: Sequence[int],
    *,
    actor: Actor,
    role: str,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Give these users a staff role instead of the one they have, ending their sessions. Refused
    for closed and suspended accounts, and where no usable super admin would remain."""
    return execute(
        staffing.GRANT,
        users,
        {"role": str(role)},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def revoke_role(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Make customers of these members of staff, ending their sessions. Refused where no usable
    super admin would remain."""
    return execute(
        staffing.REVOKE,
        users,
        {},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
