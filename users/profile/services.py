"""What is done to people's accounts, for jobs, commands and other services: names, tags, notes,
closing, reopening. People come through ``users.operations``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.timezone import now as time_now

from audit.execution import execute
from audit.people import Actor
from audit.procedures import Receipts
from users.profile import closing, naming, notes, tagging


def rename(
    users: Sequence[int],
    *,
    actor: Actor,
    username: str,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Give this user (one) another username. Refused where it is taken, in whatever case, or would
    pass for another one. Raises OperationRefused where somebody took it at the same moment."""
    return execute(
        naming.RENAME,
        users,
        {"username": username},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def tag(
    users: Sequence[int],
    *,
    actor: Actor,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Put the tags ``add`` on these users and take the tags ``remove`` off. Tags that nobody used
    before are made; the case of letters does not matter."""
    return execute(
        tagging.TAG,
        users,
        {"add": list(add), "remove": list(remove)},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def add_note(
    users: Sequence[int],
    *,
    actor: Actor,
    text: str,
    reason: str = "",
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Write a note about each of these users, for colleagues. The user never sees it."""
    return execute(
        notes.ADD_NOTE,
        users,
        {"text": text},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def close(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Close these accounts, ending their sessions and API keys in the same transaction. Credits and
    subscriptions stay as they are, unusable. Staff are refused: their role is revoked first."""
    return execute(
        closing.CLOSE,
        users,
        {},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def reopen(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Open these closed accounts again, with the credits and subscriptions they have. Sessions and
    API keys stay ended, restrictions as they are."""
    return execute(
        closing.REOPEN,
        users,
        {},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
