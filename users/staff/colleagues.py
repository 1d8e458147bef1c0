"""Who is on the staff, with which role, and since when: for the staff list. Read only, masked for
its viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audit.models import AuditEntry
from audit.people import Reader
from coai_admin.console.masks import masked_email
from users.models import Invitation, Session, User
from users.roles import ROLES, Role
from users.status import Status, status_expression

MOST = 500
_ACCEPTED = "users.accept_invitation"
_GRANTING = ("users.grant_role", "users.create_super_admin", _ACCEPTED)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who gave the role, as the audit log has it. ``actor`` is None for the system."""

    actor_id: int | None
    actor: str
    at: datetime
    entry_id: int


@dataclass(frozen=True, slots=True)
class Colleague:
    """One member of staff as the viewer sees them."""

    id: int
    username: str
    email: str
    role: str
    role_label: str
    status: Status
    last_seen_at: datetime | None
    second_factor: bool
    sessions: int
    grant: Grant | None


def colleagues(viewer: Reader, now: datetime, *, role: str = "") -> list[Colleague]:
    """The staff, the highest role first, then by name; ``role``: only theirs. Three statements."""
    masked = viewer.sees_masked("users.inspect_staff")
    live = Session.objects.filter(user=OuterRef("pk"), expire_date__gt=now).order_by()
    number = live.values("user").annotate(n=Count("pk")).values("n")
    people: QuerySet[Any] = User.objects.staff().annotate(
        status=status_expression(now),
        secured=Exists(User.objects.with_second_factor().filter(pk=OuterRef("pk"))),
        session_count=Coalesce(Subquery(number), 0),
    )
    if role:
        people = people.filter(role=role)
    found = list(people.order_by("username", "pk")[:MOST])
    found.sort(key=lambda person: ROLES.index(Role(person.role)))
    grants = _grants([person.pk for person in found])
    return [
        Colleague(
            id=person.pk,
            username=person.username,
            email=(masked_email(person.email) if masked else person.email) or "",
            role=person.role,
            role_label=person.get_role_display(),
            status=Status(person.status),
            last_seen_at=person.last_seen_at,
            second_factor=person.secured,
            sessions=person.session_count,
            grant=grants.get(person.pk),
        )
        for person in found
    ]


def _grants(ids: Sequence[int]) -> dict[int, Grant]:
    """The last entry of the audit log that gave each of them a role; absent where an import or the
    demonstration did. Who accepted an invitation has the role from the one who sent it."""
    entries = (
        AuditEntry.objects.filter(action__in=_GRANTING, target_type="user", target_id__in=ids)
        .order_by("target_id", "-created_at", "-pk")
        .distinct("target_id")
        .annotate(actor_name=F("personal__actor_name"))
    )
    inviters: dict[int | None, tuple[int | None, str]] = {
        pk: (by, name or "")
        for pk, by, name in Invitation.objects.filter(user__in=ids).values_list(
            "user", "invited_by", "invited_by__username"
        )
    }
    found: dict[int, Grant] = {}
    for entry in entries:
        assert entry.target_id is not None
        by = entry.actor_id, entry.actor_name
        if entry.action == _ACCEPTED:
            by = inviters.get(entry.target_id, by)
        found[entry.target_id] = Grant(*by, at=entry.created_at, entry_id=entry.pk)
    return found


def numbers() -> dict[str, int]:
    """How many hold each role. One statement."""
    counted = User.objects.staff().values_list("role").annotate(n=Count("pk")).order_by()
    return dict(counted)
