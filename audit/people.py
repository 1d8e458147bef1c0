"""What audit needs to know of people. The user model answers (``User.objects.people``,
``user.may``); audit imports no app to its left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from django.contrib.auth import get_user_model


class Person(NamedTuple):
    """The facts that guards decide on."""

    name: str
    rank: int


_SYSTEM_RANK = 1_000


@dataclass(frozen=True, slots=True)
class CreditLimits:
    """How many credits somebody may move by hand; None stands for no limit."""

    per_act: Decimal
    per_day: Decimal
    acts_per_day: int | None = None
    per_user_a_month: Decimal | None = None
    may_take: bool = True
    approvable: bool = False  # what goes over them needs a second person; else it is refused


@dataclass(frozen=True, slots=True)
class ApprovalLimits:
    """What one person does alone: to at most so many ``users`` in one act, moving at most so many
    ``credits`` in all."""

    users: int
    credits: Decimal


class Actor(Protocol):
    """Who acts: a user, a service key or the system. Only a user has a pk."""

    @property
    def pk(self) -> Any: ...

    @property
    def username(self) -> str: ...

    @property
    def rank(self) -> int: ...

    @property
    def credit_limits(self) -> CreditLimits | None: ...

    @property
    def approval_limits(self) -> ApprovalLimits | None: ...

    def may(self, code: str) -> bool: ...

    def approved_for(self, code: str) -> str:
        """What a permission covers, where it is held only with a second person's approval; else
        empty."""
        ...

    def sees_only_own(self, code: str) -> bool: ...


class Reader(Protocol):
    """Who reads a page, and how much of it they see."""

    @property
    def pk(self) -> Any: ...

    def may(self, code: str) -> bool: ...

    def sees_only_own(self, code: str) -> bool: ...

    def sees_masked(self, code: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class System:
    """The system as an actor: scheduled jobs, commands, the importer. It may do everything and
    outranks everybody."""

    username: str = "system"
    pk: None = None
    rank: int = _SYSTEM_RANK
    credit_limits: None = None
    approval_limits: None = None

    def may(self, code: str) -> bool:
        return True

    def approved_for(self, code: str) -> str:
        return ""

    def sees_only_own(self, code: str) -> bool:
        return False


SYSTEM = System()


def look_up(ids: Collection[int], *, lock: bool = False) -> dict[int, Person]:
    """Name and rank of each person by id, in one statement and id order; unknown ids are absent.
    With ``lock`` the rows stay locked until the transaction ends, so that a role granted meanwhile
    cannot slip past a guard."""
    found: dict[int, Person] = get_user_model().objects.people(sorted(ids), lock=lock)
    return found


def acting(pk: int, *, now: datetime) -> Actor | None:
    """The person as an actor of what they started earlier; None for one who is gone or may not
    sign in any more."""
    found: Actor | None = get_user_model().objects.acting(pk, now=now)
    return found


def approvers(
    asked: Sequence[tuple[Collection[str], int]], *, now: datetime
) -> list[dict[int, str]]:
    """Who could approve each of these acts, given by its permissions and the rank of who asked: the
    names, by id, of staff who hold all of them themselves, rank no lower and may sign in. One
    statement."""
    found: list[dict[int, str]] = get_user_model().objects.approvers(asked, now=now)
    return found


def rank_of(actor: Actor, facts: dict[int, Person]) -> int:
    """The actor's rank as the database has it now, not as the request remembers it. The system
    and service keys are no people and know their own."""
    if actor.pk is None:
        return actor.rank
    person = facts.get(actor.pk)
    return person.rank if person else 0
