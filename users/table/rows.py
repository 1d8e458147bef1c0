"""What the user table shows of fifty people: three statements, whatever the number of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet

from audit.targets import among, array
from coai_admin.console.columns import Viewer
from coai_admin.console.masks import masked_email
from coai_admin.console.statements import statement
from users import roles
from users.models import Restriction, User
from users.status import Held, Status, status_of

_FACTS = (
    "pk",
    "username",
    "email",
    "email_verified_at",
    "email_state",
    "role",
    "country",
    "joined_at",
    "last_seen_at",
    "closed_at",
    "legacy_id",
    "password_changed_at",
    "locale",
    "standing__subscription_id",
    "standing__tier",
    "standing__ends_at",
    "standing__subscription__tier__name",
    "account__balance",
)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A line of the user table, as its viewer may see it."""

    pk: int
    username: str
    email: str | None
    email_state: str
    status: Status
    until: datetime | None
    warned: bool
    tier: int
    credits: Decimal
    used: Decimal
    plan: str
    subscription: str
    months: int
    ends_at: datetime | None
    last_seen_at: datetime | None
    joined_at: datetime
    country: str
    legacy_id: int | None
    password_changed_at: datetime | None
    locale: str
    is_staff: bool
    role: roles.Role | None


def email_state(email: str | None, verified_at: datetime | None, state: str) -> str:
    """What is known of an address: verified, pending, or why it takes no mail."""
    if not email:
        return ""
    if state != User.EmailState.OK:
        return state
    return "verified" if verified_at else "pending"


def subscription_state(subscription_id: int | None, ends_at: datetime | None, now: datetime) -> str:
    """active, ended, or none."""
    if subscription_id is None:
        return "none"
    return "active" if ends_at is None or now < ends_at else "ended"


def user_rows(ids: Sequence[int], viewer: Viewer, now: datetime) -> list[UserRow]:
    """The lines of these users, in any order."""
    assert isinstance(viewer, User)
    held: defaultdict[int, list[Held]] = defaultdict(list)
    picked = array(ids)
    for user_id, kind, ends_at in _live(picked, now):
        held[user_id].append(Held(kind, ends_at))
    masked = viewer.sees_masked("users.browse")
    sees_roles = viewer.may("users.inspect_staff")
    return [
        _row(facts, held[facts[0]], now, masked=masked, sees_roles=sees_roles)
        for facts in _facts(picked)
    ]


@statement
def _live(ids: Any, now: Any) -> QuerySet[Any, tuple[Any, ...]]:
    live = Restriction.objects.live(now).filter(among("user_id", ids))
    return live.values_list("user_id", "kind", "ends_at")


@statement
def _facts(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
    return User.objects.filter(among("pk", ids)).values_list(
        *_FACTS,
        F("standing__months") + F("standing__legacy_months"),
        F("account__used_total") + F("account__opening_used"),
    )


def _row(
    facts: tuple[Any, ...], held: list[Held], now: datetime, *, masked: bool, sees_roles: bool
) -> UserRow:
    (pk, username, email, verified_at, state, role, country, joined_at, seen_at, closed_at) = facts[
        :10
    ]
    (legacy_id, password_changed_at, locale) = facts[10:13]
    (subscription_id, tier, ends_at, plan, balance, months, used) = facts[13:]
    status, until = status_of(closed_at, held)
    subscription = subscription_state(subscription_id, ends_at, now)
    return UserRow(
        pk=pk,
        username=username,
        email=masked_email(email) if masked else email,
        email_state=email_state(email, verified_at, state),
        status=status,
        until=until,
        warned=any(restriction.kind == Restriction.Kind.WARNING for restriction in held),
        tier=tier if subscription == "active" else 0,
        credits=balance,
        used=used,
        plan=plan or "",
        subscription=subscription,
        months=months or 0,
        ends_at=ends_at,
        last_seen_at=seen_at,
        joined_at=joined_at,
        country=country,
        legacy_id=legacy_id,
        password_changed_at=password_changed_at,
        locale=locale,
        is_staff=role != roles.Role.NONE,
        role=roles.Role(role) if sees_roles and role != roles.Role.NONE else None,
    )
