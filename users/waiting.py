"""What waits for somebody's attention, as counts on the home page. Each queue is a query of the
user table: the figure is that list's own count, and leads to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.people import Reader
from coai_admin.console.counts import Count
from users import roles
from users.table import USERS

SOON = timedelta(days=7)
# Remarks of an import that want a decision; the others only explain.
UNDECIDED = (
    "default_root_password",
    "was_admin",
    "tier_without_expiry",
    "username_is_email",
    "unusable_password",
)


@dataclass(frozen=True, slots=True)
class Queue:
    """A question to the user table. ``quiet``: a figure to know, nothing that waits."""

    label: str | Promise
    query: Callable[[datetime], str]
    permission: str = "users.browse"
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue with how many are in it, and the list's query."""

    queue: Queue
    count: Count
    query: str

    @property
    def urgent(self) -> bool:
        return self.count.number > 0 and not self.queue.quiet


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


QUEUES = (
    Queue(
        _("suspensions end within 7 days"),
        lambda now: f"status=suspended&restricted_to={_day(now + SOON)}",
    ),
    Queue(
        _("subscriptions end within 7 days"),
        lambda now: f"subscription=active&expires_to={_day(now + SOON)}&sort=expires",
    ),
    Queue(_("balances below zero"), lambda now: "credits_max=-0.000001&sort=credits"),
    Queue(_("imported, to decide"), lambda now: f"flag={','.join(UNDECIDED)}"),
    Queue(
        _("hold a staff role"),
        lambda now: "&".join(f"role={role.value}" for role in roles.ROLES),
        permission="users.inspect_staff",
        quiet=True,
    ),
)


def waiting(viewer: Reader, now: datetime) -> Iterator[Waiting]:
    """The queues this person may open, each counted up to the cap in one statement."""
    for queue in QUEUES:
        if viewer.may(queue.permission):
            query = queue.query(now)
            reading = USERS.read(QueryDict(query), viewer=viewer, now=now)
            yield Waiting(queue, reading.count, query)
