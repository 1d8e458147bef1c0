"""Taking the second factor from somebody who lost it: the procedure behind
``users.reset_second_factor``. It cannot be undone, and the person is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit.execution import execute
from audit.people import Actor
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from audit.targets import among
from users import mail
from users.models import Session, User
from users.second_factor import authenticators
from users.sessions.ending import end_sessions


@dataclass(frozen=True, slots=True)
class Factored:
    """A user, since when they have a second factor, and how many sessions."""

    target_id: int
    closed: bool
    since: datetime | None
    sessions: int


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Factored]:
    sessions = Session.objects.filter(user=OuterRef("pk")).order_by()
    number = Subquery(sessions.values("user").annotate(n=Count("pk")).values("n"))
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(since=authenticators.since(OuterRef("pk")), n=Coalesce(number, 0))
    )
    if lock:
        people = people.select_for_update(no_key=True, of=("self",))
    return [
        Factored(pk, closed_at is not None, since, sessions)
        for pk, closed_at, since, sessions in people.values_list("pk", "closed_at", "since", "n")
    ]


def _decide(row: Factored, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if row.since is None:
        return None
    return Change(
        before={"second_factor": f"since {row.since:%Y-%m-%d}", "sessions": row.sessions},
        after={"second_factor": None, "sessions": 0},
    )


def _write(changes: Sequence[tuple[Factored, Change]], act: ActContext) -> dict[int, Any]:
    ids = [row.target_id for row, _change in changes]
    authenticators.remove(ids)
    end_sessions(ids)
    mail.send_many("second_factor_reset", ids, now=act.now)
    return {}


RESET = Procedure(code="users.reset_second_factor", load=_load, decide=_decide, write=_write)


def reset_second_factor(
    users: Sequence[int],
    *,
    actor: Actor,
    identity_proof: str,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Take the second factor and the recovery codes from this user, end their sessions, and write
    to them about it. The password alone signs them in; staff set up a new second factor then, where
    one is required. ``identity_proof``: how the one who asked proved to be them."""
    return execute(
        RESET,
        users,
        {"identity_proof": identity_proof},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
