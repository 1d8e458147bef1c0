"""What is done to subscriptions, for jobs, commands and other services. People come through
``subscriptions.operations``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection
from django.utils.timezone import now as time_now

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from subscriptions import lifecycle


def open_standings(user_ids: Sequence[int]) -> None:
    """Give each of these users a standing (tier 0, no subscription), in one statement; who has one
    keeps it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO subscriptions_standing (user_id, tier, months, legacy_months, version)
            SELECT id, 0, 0, 0, 0 FROM unnest(%s::bigint[]) AS id
            ON CONFLICT (user_id) DO NOTHING
            """,
            [list(user_ids)],
        )


def set_tier(
    users: Iterable[int],
    *,
    actor: Actor,
    tier: int,
    reason: str,
    ends_at: datetime | None = None,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Put each user into ``tier``. 0 ends the running subscription now; 1 to 3 change the tier of
    the running one, whose end stays, or start a new one until ``ends_at``: without it, who has none
    is refused. No money moves."""
    return execute(
        lifecycle.SET_TIER,
        users,
        {"tier": tier, "ends_at": ends_at},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def set_expiry(
    users: Iterable[int],
    *,
    actor: Actor,
    ends_at: datetime | None,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Let each user's running subscription end at ``ends_at``; None: never. Who has none is
    refused, and so is an end that has passed or is more than ten years away."""
    return execute(
        lifecycle.SET_EXPIRY,
        users,
        {"ends_at": ends_at},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def extend(
    users: Iterable[int],
    *,
    actor: Actor,
    amount: int,
    reason: str,
    unit: str = "months",
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Let each user's running subscription end ``amount`` calendar months (or ``unit`` "days")
    later; a negative amount shortens it. Months are counted from the subscription's anchor, so that
    extending by 1 and by 2 is extending by 3. Who has none, or one without end, is refused."""
    return execute(
        lifecycle.EXTEND,
        users,
        {"amount": amount, "unit": unit},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
