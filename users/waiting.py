"""What waits for somebody's attention, as counts on the home page. Each queue is a query of the
user table: the figure is that list's own count, and leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.people import Reader
from coai_admin.console.counts import Count
from users import roles
from users.table import USERS

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
    query: str
    permission: str = "users.browse"
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue with how many are in it."""

    queue: Queue
    count: Count

    @property
    def urgent(self) -> bool:
        return self.count.number > 0 and not self.queue.quiet


QUEUES = (
    Queue(_("suspensions end within 7 days"), "q=is%3Asuspended+restricted%3A7d"),
    Queue(_("subscriptions end within 7 days"), "q=expires%3A7d&sort=expires"),
    Queue(_("balances below zero"), "q=credits%3A%3C0&sort=credits"),
    Queue(_("imported, to decide"), f"flag={','.join(UNDECIDED)}"),
    Queue(
        _("hold a staff role"),
        "&".join(f"role={role.value}" for role in roles.ROLES),
        permission="users.inspect_staff",
        quiet=True,
    ),
)


def waiting(viewer: Reader, now: datetime) -> Iterator[Waiting]:
    """The queues this person may open, each counted up to the cap in one statement."""
    for queue in QUEUES:
        if viewer.may(queue.permission):
            reading = USERS.read(QueryDict(queue.query), viewer=viewer, now=now)
            yield Waiting(queue, reading.count)
