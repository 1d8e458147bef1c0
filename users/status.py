"""What stands in the way of a person's use of the account, in one word: decided when it is read,
never stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import BoolOr
from django.db import models
from django.db.models import Case, Exists, Max, OuterRef, Q, Subquery, Value, When
from django.utils.translation import gettext_lazy as _

from users.models import Restriction, User

SUSPENSION, LIMIT = Restriction.Kind.SUSPENSION, Restriction.Kind.LIMIT
_BINDING = (SUSPENSION, LIMIT)


class Status(models.TextChoices):
    """From the worst to the best, then what is over. ``banned`` is a suspension without end."""

    BANNED = "banned", _("Banned")
    SUSPENDED = "suspended", _("Suspended")
    LIMITED = "limited", _("Limited")
    ACTIVE = "active", _("Active")
    CLOSED = "closed", _("Closed")


class Held(NamedTuple):
    """A live restriction, as far as the status depends on it."""

    kind: str
    ends_at: datetime | None


def status_of(closed_at: datetime | None, held: Iterable[Held]) -> tuple[Status, datetime | None]:
    """The status of an account under these live restrictions, and until when; None where no end is
    known."""
    if closed_at is not None:
        return Status.CLOSED, None
    restrictions = list(held)
    for kind, status in ((SUSPENSION, Status.SUSPENDED), (LIMIT, Status.LIMITED)):
        ends = [restriction.ends_at for restriction in restrictions if restriction.kind == kind]
        if ends:
            last = None if None in ends else max(end for end in ends if end is not None)
            return (Status.BANNED if last is None and kind == SUSPENSION else status), last
    return Status.ACTIVE, None


def conditions(now: datetime) -> dict[Status, Q]:
    """Which users have which status at ``now``; every user has exactly one. Each is asked of one
    user at a time, which is fast along a sorted index; to find the few who are not active, use
    ``with_status``, to list everybody by status ``segments``."""
    return _conditions(now, is_open=Q(closed_at__isnull=True))


def segments(now: datetime) -> list[Q]:
    """The same, from the worst status to the best, for walking along the ids: those of a rare
    status lie tens of thousands of ids apart, so nothing may be read but indexes."""
    return list(_conditions(now, is_open=_open_by_index()).values())


def _open_by_index() -> Q:
    """Accounts that are not closed, without a look at the rows of those that are open."""
    return ~Q(Exists(User.objects.filter(pk=OuterRef("pk"), closed_at__isnull=False)))


def _conditions(now: datetime, *, is_open: Q) -> dict[Status, Q]:
    live = Restriction.objects.live(now).filter(user=OuterRef("pk"))
    suspended = live.filter(kind=SUSPENSION)
    banned = Q(Exists(suspended.filter(ends_at__isnull=True)))
    return {
        Status.BANNED: is_open & banned,
        Status.SUSPENDED: is_open & Q(Exists(suspended)) & ~banned,
        Status.LIMITED: is_open & Q(Exists(live.filter(kind=LIMIT))) & ~Q(Exists(suspended)),
        Status.ACTIVE: is_open & ~Q(Exists(live.filter(kind__in=_BINDING))),
        Status.CLOSED: Q(closed_at__isnull=False),
    }


def with_status(statuses: Collection[str], now: datetime) -> Q:
    """The users whose status at ``now`` is one of these, found from the restrictions."""
    wanted = {Status(status) for status in statuses}
    if wanted == {Status.ACTIVE}:
        return conditions(now)[Status.ACTIVE]
    if Status.ACTIVE in wanted:
        others = set(Status) - wanted
        return ~with_status(others, now) if others else Q()
    restricted = _restricted(wanted, now)
    if Status.CLOSED not in wanted:
        return Q(pk__in=restricted) & _open_by_index()
    closed = User.objects.filter(closed_at__isnull=False).values("pk")
    return Q(pk__in=closed.union(restricted, all=True) if len(wanted) > 1 else closed)


def _restricted(statuses: Collection[Status], now: datetime) -> models.QuerySet[Any]:
    """The ids of the users whose restrictions give them one of these statuses, while the account is
    open."""
    worst = {
        Status.BANNED: Q(endless=True),
        Status.SUSPENDED: Q(suspended=True, endless=False),
        Status.LIMITED: Q(suspended=False),
    }
    either = reduce(or_, (worst[status] for status in statuses if status in worst), Q())
    suspended = Q(kind=SUSPENSION)
    people = Restriction.objects.live(now).filter(kind__in=_BINDING).values("user")
    if set(worst) <= set(statuses):
        return people
    people = people.annotate(
        suspended=BoolOr(suspended), endless=BoolOr(suspended & Q(ends_at__isnull=True))
    )
    return people.filter(either).values("user")


def status_expression(now: datetime) -> Case:
    """The status of each user as a column of a query."""
    whens = [
        When(condition, then=Value(status.value)) for status, condition in conditions(now).items()
    ]
    return Case(*whens, output_field=models.TextField())


def until_expression(now: datetime) -> Case:
    """Until when the status of each user lasts, where it has an end."""
    found = conditions(now)
    live = Restriction.objects.live(now).filter(user=OuterRef("pk")).order_by().values("user")

    def last(kind: str) -> Subquery:
        return Subquery(live.filter(kind=kind).values(last=Max("ends_at")))

    endless = live.filter(kind=LIMIT, ends_at__isnull=True)
    return Case(
        When(found[Status.SUSPENDED], then=last(SUSPENSION)),
        When(found[Status.LIMITED] & ~Q(Exists(endless)), then=last(LIMIT)),
        output_field=models.DateTimeField(),
    )
