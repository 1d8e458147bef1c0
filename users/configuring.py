"""Saving what super admins set for everybody: the one module that writes ``Setting``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from audit import edits, record
from audit.people import Actor
from users import console_settings
from users.console_settings import (
    APPROVALS,
    SESSIONS,
    approval_limits,
    credit_limits,
    limits_name,
    session_limits,
)
from users.models import Session, Setting

EDIT, EDIT_SECURITY = "settings.edit", "settings.edit_security"


def limits_of(role: str) -> dict[str, Any]:
    """The limits of a role as their form has them."""
    limits = credit_limits(role)
    assert limits is not None
    names = ("per_act", "per_day", "acts_per_day", "per_user_a_month")
    return {name: getattr(limits, name) for name in names}


def session_minutes() -> dict[str, Any]:
    """The limits of sessions as their form has them."""
    limits = session_limits()
    return {
        "idle_minutes": limits.idle // timedelta(minutes=1),
        "absolute_minutes": limits.absolute // timedelta(minutes=1),
    }


def set_credit_limits(
    role: str, values: Mapping[str, Any], *, seen: str, actor: Actor, now: datetime, reason: str
) -> edits.Changes:
    """Let ``role`` move so many credits by hand from now on. Raises ChangedMeanwhile."""
    return _save(
        limits_name(role),
        lambda: limits_of(role),
        values,
        action=EDIT,
        seen=seen,
        actor=actor,
        now=now,
        reason=reason,
    )


def approval_figures() -> dict[str, Any]:
    """What one person does alone, as its form has it."""
    limits = approval_limits()
    return {"users": limits.users, "credits": limits.credits}


def set_approval_limits(
    values: Mapping[str, Any], *, seen: str, actor: Actor, now: datetime, reason: str
) -> edits.Changes:
    """Let one person do so much alone from now on. What waits already goes on waiting. Raises
    ChangedMeanwhile."""
    return _save(
        APPROVALS,
        approval_figures,
        values,
        action=EDIT_SECURITY,
        seen=seen,
        actor=actor,
        now=now,
        reason=reason,
    )


@transaction.atomic
def set_session_limits(
    values: Mapping[str, Any], *, seen: str, actor: Actor, now: datetime, reason: str
) -> edits.Changes:
    """Let sessions end so, those that are open included. Raises ChangedMeanwhile."""
    made = _save(
        SESSIONS,
        session_minutes,
        values,
        action=EDIT_SECURITY,
        seen=seen,
        actor=actor,
        now=now,
        reason=reason,
    )
    open_ones = Session.objects.filter(expire_date__gt=now)
    open_ones.update(expire_date=_end(values))
    return made


def _end(values: Mapping[str, Any]) -> Least:
    return Least(
        F("seen_at") + timedelta(minutes=values["idle_minutes"]),
        F("created_at") + timedelta(minutes=values["absolute_minutes"]),
    )


def sessions_under(values: Mapping[str, Any], now: datetime) -> tuple[int, int]:
    """How many sessions of people are open, and how many of them these limits would end."""
    open_ones = Session.objects.filter(expire_date__gt=now, user__isnull=False)
    ended = open_ones.alias(end=_end(values)).filter(end__lte=now)
    return open_ones.count(), ended.count()


@transaction.atomic
def _save(
    name: str,
    current: Callable[[], dict[str, Any]],
    values: Mapping[str, Any],
    *,
    action: str,
    seen: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> edits.Changes:
    """Keep the values under the name, with what they were in the audit log."""
    initial = {"value": _plain(current()), "changed_at": now, "version": 0}
    row, _made = Setting.objects.get_or_create(name=name, defaults=initial)
    row = edits.locked(row)
    console_settings.shelf.forget()
    made = edits.compared(current(), values, seen=seen)
    row.value, row.version = _plain(values), row.version + 1
    row.changed_at, row.changed_by_id = now, actor.pk
    row.save()
    edits.account(row, made, action=action, actor=actor, now=now, reason=reason)
    console_settings.shelf.forget()
    transaction.on_commit(console_settings.shelf.forget)
    return made


def _plain(values: Mapping[str, Any]) -> Any:
    """As JSON keeps it: exact decimals as text."""
    return json.loads(record.as_json(values))
