"""Filters and annotations of people and restrictions; the guards' facts about ranks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.contrib.auth.base_user import BaseUserManager
from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Lower

from audit.people import Person
from audit.targets import among, array
from coai_admin.console.statements import statement
from users import roles

if TYPE_CHECKING:
    from users.models import Restriction, User  # noqa: F401 (named in strings below)

_TOO_LONG_FOR_AN_ID = 19  # digits; a bigint has at most as many


class UserQuerySet(models.QuerySet["User"]):
    """Chainable filters of people."""

    def named(self, username: str) -> Self:
        """Those called ``username``, whatever its case; PostgreSQL lower-cases both sides."""
        return self.alias(_name=Lower("username")).filter(_name=Lower(Value(username)))

    def meant_by(self, text: str) -> User | None:
        """The user of this id or username, whatever its case; None for nobody. Digits are an id
        first."""
        if text.isascii() and text.isdigit() and len(text) < _TOO_LONG_FOR_AN_ID:
            found = self.filter(pk=int(text)).first()
            if found is not None:
                return found
        return self.named(text).first()

    def with_email(self, email: str) -> Self:
        """Those with this address, whatever its case."""
        return self.alias(_email=Lower("email")).filter(_email=Lower(Value(email)))

    def staff(self) -> Self:
        return self.exclude(role=roles.Role.NONE)

    def with_second_factor(self) -> Self:
        """Those who have set up a second factor."""
        authenticators = apps.get_model("mfa", "Authenticator").objects
        return self.filter(Exists(authenticators.filter(user=OuterRef("pk"), type="totp")))

    def restricted(self, kind: str, now: datetime) -> Self:
        """Those under a live restriction of that kind."""
        return self.filter(Exists(_live(kind, now)))

    def unrestricted(self, kind: str, now: datetime) -> Self:
        return self.filter(~Exists(_live(kind, now)))


class UserManager(BaseUserManager["User"]):
    """The people, and what audit's guards ask of them (see ``audit.people``)."""

    def people(self, ids: Sequence[int], *, lock: bool = False) -> dict[int, Person]:
        """Name and rank of each person by id, in one statement; unknown ids are absent (see
        ``audit.people``)."""
        rows: Iterable[Any] = (
            _names(array(ids)) if not lock else _people(ids).select_for_update(no_key=True)
        )
        return {pk: Person(name, roles.rank(role)) for pk, name, role in rows}

    def acting(self, pk: int, *, now: datetime) -> User | None:
        """Staff who may act, though they are not here: neither closed nor suspended (see
        ``audit.people``)."""
        people: Any = self.get_queryset()
        open_ones: UserQuerySet = people.staff().filter(pk=pk, closed_at__isnull=True)
        return open_ones.unrestricted("suspension", now).first()

    def approvers(
        self, asked: Sequence[tuple[Collection[str], int]], *, now: datetime
    ) -> list[dict[int, str]]:
        """For each (permissions, rank): names by id of staff who rank so high, hold all of them and
        may sign in (see ``audit.people``)."""
        able = [roles.holders_who_act(codes, rank_from=rank) for codes, rank in asked]
        people: Any = self.get_queryset()
        wanted = {role for some in able for role in some}
        found = people.filter(role__in=wanted, closed_at__isnull=True)
        staff = list(
            found.unrestricted("suspension", now)
            .order_by("username", "pk")
            .values_list("pk", "username", "role")
        )
        return [{pk: name for pk, name, role in staff if role in some} for some in able]


def _people(ids: Any) -> models.QuerySet[Any, tuple[Any, ...]]:
    people = apps.get_model("users", "User").objects.filter(among("pk", ids)).order_by("pk")
    return people.values_list("pk", "username", "role")


_names = statement(_people)


class RestrictionQuerySet(models.QuerySet["Restriction"]):
    """Restrictions by their effect."""

    def live(self, now: datetime) -> Self:
        """Those that hold at ``now``: started, not ended (the end is exclusive), not lifted."""
        return self.filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now), lifted_at__isnull=True, starts_at__lte=now
        )


def _live(kind: str, now: datetime) -> models.QuerySet[Any]:
    restriction = apps.get_model("users", "Restriction")
    return restriction.objects.live(now).filter(user=OuterRef("pk"), kind=kind)
