"""What acts on accounts decide on: one row a person, read by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import DateTimeRangeField
from django.db.models import Count, Exists, Func, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _
from psycopg.types.range import Range

from audit.operations import Reading
from audit.targets import among, array
from coai_admin.console.statements import statement
from users.models import ApiKey, Restriction, Session, User

_SPAN = Func("starts_at", "ends_at", function="tstzrange", output_field=DateTimeRangeField())


@dataclass(frozen=True, slots=True)
class Account:
    """A person before the act. ``keys`` are those that work; ``restrictions``: when those of any
    kind hold that were not lifted; ``is_last``: no usable super admin would be left without them
    (see ``users.staff.staffing``)."""

    target_id: int
    role: str
    closed_at: datetime | None
    has_password: bool
    must_change_password: bool
    password_changed_at: datetime | None
    suspended: bool
    sessions: int
    keys: int
    email: str | None
    email_verified_at: datetime | None
    restrictions: Sequence[Range[datetime]] = ()
    is_last: bool = False


def load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Account]:
    """The accounts in id order, whatever the parameters: menus load them once for all acts."""
    rows: Iterable[Any] = (
        _facts(array(ids))
        if not lock
        else _people(ids).select_for_update(no_key=True, of=("self",))
    )
    return [
        Account(pk, role, closed, _is_usable(password), *facts)
        for pk, role, closed, password, *facts in rows
    ]


def _people(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(
            suspended=is_suspended(),
            holds=ArraySubquery(_unlifted().values(span=_SPAN)),
            session_count=how_many(Session.objects.filter(user=OuterRef("pk"))),
            key_count=how_many(ApiKey.objects.filter(user=OuterRef("pk"), revoked_at__isnull=True)),
        )
    )
    return people.values_list(
        "pk",
        "role",
        "closed_at",
        "password",
        "must_change_password",
        "password_changed_at",
        "suspended",
        "session_count",
        "key_count",
        "email",
        "email_verified_at",
        "holds",
    )


_facts = statement(_people)


def how_many(rows: QuerySet[Any]) -> Coalesce:
    """How many of these rows, each of which names its ``user``, are theirs: for annotate()."""
    counted = rows.order_by().values("user").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def _is_usable(password: str) -> bool:
    return bool(password) and not password.startswith(UNUSABLE_PASSWORD_PREFIX)


def is_suspended() -> Exists:
    """Whether a suspension holds, by the database's clock: whoever asks is about to decide, and the
    lock they wait for may take a while."""
    held = _unlifted().filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=Now()),
        kind=Restriction.Kind.SUSPENSION,
        starts_at__lte=Now(),
    )
    return Exists(held)


def _unlifted() -> QuerySet[Restriction]:
    return Restriction.objects.filter(user=OuterRef("pk"), lifted_at__isnull=True)


def why_closed(row: Account, now: datetime) -> str:
    """Why nothing is done to this account; empty where it is open."""
    return "" if row.closed_at is None else _("The account is closed.")


# The obstacle of acts on people who can come back, whatever is asked of them.
NOT_CLOSED = Reading(load, why_closed)
