"""What waits for a second person, through the same door as people take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.registry import operations
from audit.runs import asking
from users.models import User
from users.roles import Role

_PREPAID = "12000"  # credits: more than a user admin moves alone


def ask_for_approval(ids: Sequence[int], staff: Mapping[Role, User], *, now: datetime) -> None:
    """A gift that takes two people: it waits on the home page of super admins for a day."""
    asking.ask_for(
        operations()["billing.adjust_credits"],
        ids[-1:],
        {"delta": [_PREPAID], "reason": ["-"]},
        actor=staff[Role.USER_ADMIN],
        now=now,
        reason="Paid a year in advance by bank transfer, which has arrived",
        ticket="SUP-3307",
    )
