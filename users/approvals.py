"""What waits for a second person, for people: the queue, how many of it are for whom, and the
letters that tell of it. Who may approve what is decided in ``audit.runs.approving``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import frozen
from audit.execution import OperationRefused
from audit.models import Approval, RunChunk
from audit.operations import Operation
from audit.people import Actor
from audit.registry import operation_of
from audit.runs import approving
from users import mail, roles
from users.mail import Letter
from users.models import User
from users.roles import Role
from users.runs.first import FirstChange, FirstRefused, first_changes, first_refused
from users.runs.lines import in_order, query_words, undo_sentence

DECIDE = approving.DECIDE
MOST_LETTERS = 20  # of one request; who is not written to finds it in the queue
_SHOWN = 100
_MOST_OPEN = 1_000  # that wait at once
_FIRST = 10
_FRESH_FOR = 5.0


@dataclass(frozen=True)
class Request:
    """One approval as ``viewer`` sees it. ``colleagues``: who may decide it, by id;
    ``only_target``: whom it is done to, where it is one person."""

    approval: Approval
    viewer: Actor
    now: datetime
    colleagues: Mapping[int, str]
    only_target: User | None

    @cached_property
    def operation(self) -> Operation | None:
        return operation_of(self.approval.run.code)

    @property
    def label(self) -> str:
        """What is asked for, in a word or two."""
        run = self.approval.run
        label = str(self.operation.label) if self.operation else run.code
        return _("Undo: %(what)s") % {"what": label} if run.undoes_id else label

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """What was filled in; empty for an undo."""
        run = self.approval.run
        if self.operation is None or run.undoes_id is not None:
            return {}
        return in_order(self.operation, frozen.thaw(run.params))

    @property
    def sentence(self) -> str:
        """What approving would do, as on a button."""
        if self.approval.run.undoes_id is not None:
            return undo_sentence(self.approval.run, self.changed)
        if self.operation is None:
            return self.label
        return self.operation.sentence(self.params, self.changed)

    @property
    def query_words(self) -> str:
        """How its users were found."""
        return query_words(self.approval.run.query)

    @property
    def changed(self) -> int:
        """How many users would change, or would have."""
        return int(self.counts["changed"])

    @property
    def counts(self) -> Mapping[str, int]:
        """What the preview counted, by outcome."""
        run = self.approval.run
        kept = (run.forecast or {}).get("counts")
        return kept or {name: getattr(run, name) for name in ("changed", "unchanged", "refused")}

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided."""
        return bool(self.approval.decision == Approval.Decision.OPEN and not self.is_late)

    @property
    def is_late(self) -> bool:
        """Whether its time is over and no job noted it yet."""
        waits = self.approval.decision == Approval.Decision.OPEN
        return bool(waits and self.now >= self.approval.expires_at)

    @property
    def state(self) -> tuple[str, str]:
        """The kind and the word of its state."""
        if self.is_late:
            return _STATES[Approval.Decision.EXPIRED], str(Approval.Decision.EXPIRED.label)
        decision = Approval.Decision(self.approval.decision)
        return _STATES[decision], str(decision.label)

    @cached_property
    def why_not(self) -> str:
        """Why the viewer does not decide it; empty when they may."""
        return approving.why_not_decide(self.approval, actor=self.viewer, able=self.colleagues)

    @property
    def is_own(self) -> bool:
        """Whether the viewer asked for it."""
        return bool(self.approval.run.owner_id == self.viewer.pk)

    @property
    def able_roles(self) -> list[str]:
        """The roles of those who could decide it, if there were any."""
        found = roles.holders_who_act(self._codes, rank_from=self._rank)
        return [str(role.label) for role in found]

    @property
    def an_invited_could(self) -> bool:
        """Whether somebody who is invited today could decide it: super admins are not invited."""
        return Role.USER_ADMIN in roles.holders_who_act(self._codes, rank_from=self._rank)

    @property
    def _codes(self) -> list[str]:
        return [DECIDE, *self.approval.codes]

    @property
    def _rank(self) -> int:
        owner = self.approval.run.owner
        return owner.rank if owner else 0

    @cached_property
    def first(self) -> list[FirstChange]:
        """The first users whom it would change."""
        return first_changes(self.approval.run, limit=_FIRST)

    @cached_property
    def refused(self) -> list[FirstRefused]:
        """The first who would be refused."""
        return first_refused(self.approval.run, limit=_FIRST)


_STATES = {
    Approval.Decision.OPEN: "wait",
    Approval.Decision.APPROVED: "good",
    Approval.Decision.REFUSED: "bad",
    Approval.Decision.WITHDRAWN: "none",
    Approval.Decision.EXPIRED: "none",
    Approval.Decision.VOID: "warn",
}


# The queue


def _approvals() -> QuerySet[Approval]:
    return Approval.objects.select_related("run__owner", "run__undoes", "decided_by")


def _open(now: datetime) -> QuerySet[Approval]:
    waiting = _approvals().filter(decision=Approval.Decision.OPEN, expires_at__gt=now)
    return waiting.order_by("asked_at", "pk")


def _requests(found: Sequence[Approval], viewer: Actor, now: datetime) -> list[Request]:
    """As this person sees them. Five statements."""
    able = approving.colleagues(found, now=now)
    alone = [each.run_id for each in found if each.run.total == 1]
    chunks = dict(RunChunk.objects.filter(run__in=alone).values_list("run_id", "ids"))
    people = User.objects.in_bulk([ids[0] for ids in chunks.values()])
    targets = {run: people.get(ids[0]) for run, ids in chunks.items()}
    return [
        Request(each, viewer, now, able[each.run_id], targets.get(each.run_id)) for each in found
    ]


def request(run_id: UUID, viewer: Actor, now: datetime) -> Request:
    """One of them. Raises Approval.DoesNotExist."""
    [found] = _requests([_approvals().get(run_id=run_id)], viewer, now)
    return found


def waiting(viewer: Actor, now: datetime) -> tuple[list[Request], list[Request], list[Request]]:
    """What waits for this person, what they asked for themselves, and what waits for others; the
    longest waiting first."""
    found = _requests(list(_open(now)[:_MOST_OPEN]), viewer, now)
    own = [each for each in found if each.is_own]
    for_them = [each for each in found if viewer.pk in each.colleagues]
    others = [each for each in found if not each.is_own and viewer.pk not in each.colleagues]
    return for_them, own, others


def over(viewer: Actor, now: datetime) -> list[Request]:
    """What was decided, withdrawn or not decided in time, the newest first."""
    ended = _approvals().filter(~Q(decision=Approval.Decision.OPEN) | Q(expires_at__lte=now))
    return _requests(list(ended.order_by("-asked_at", "-pk")[:_SHOWN]), viewer, now)


class Shelf:
    """For whom how much waits, as this process knows it: every page shows it."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}
        self.fresh_until = 0.0

    def waiting(self, user: User) -> int:
        """How many requests this person may decide; at most five seconds old."""
        if time.monotonic() >= self.fresh_until:
            self.known = _numbers(time_now())
            self.fresh_until = time.monotonic() + _FRESH_FOR
        return self.known.get(user.pk, 0)

    def forget(self) -> None:
        """Count again at the next question."""
        self.fresh_until = 0.0


def _numbers(now: datetime) -> dict[int, int]:
    found: dict[int, int] = {}
    for able in approving.colleagues(list(_open(now)[:_MOST_OPEN]), now=now).values():
        for pk in able:
            found[pk] = found.get(pk, 0) + 1
    return found


shelf = Shelf()


# Deciding


def decide(run_id: UUID, *, approve: bool, actor: Actor, now: datetime, note: str) -> None:
    """Approve or refuse. A refusal needs a note. Raises OperationRefused, Approval.DoesNotExist."""
    if not approve and not note:
        raise OperationRefused(_("Write why you refuse it, for whoever asked."))
    act = approving.approve if approve else approving.refuse
    act(run_id, actor=actor, now=now, note=note)
    shelf.forget()


# Letters


def tell_colleagues(run: str, *, now: datetime) -> None:
    """Write to those who may approve a run that was asked for: the handler of the outbox."""
    found = _open(now).filter(run_id=run).first()
    if found is not None:
        people = sorted(approving.colleagues([found], now=now)[found.run_id])
        mail.send_many("approval_asked", people[:MOST_LETTERS], now=now)


def tell_owner(run: str, *, now: datetime) -> None:
    """Write to who asked that it was decided: the handler of the outbox."""
    found = Approval.objects.filter(run_id=run, run__owner__isnull=False).first()
    if found is not None:
        mail.send("approval_over", found.pk, now=now)


def letter_to_colleague(row: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letter that something waits for this user; none when nothing does any more."""
    viewer = User.objects.filter(pk=row, email__isnull=False).first()
    found = waiting(viewer, now)[0] if viewer else []
    if viewer is None or not found:
        return None
    return Letter(
        to=viewer.email or "",
        context={
            "name": mail.one_line(viewer.username),
            "lines": [
                {
                    "who": mail.one_line(each.approval.run.owner_name),
                    "what": mail.one_line(each.sentence),
                    "why": mail.one_line(each.approval.run.reason),
                }
                for each in found
            ],
        },
        link=settings.SITE_URL + _where(found),
        link_label=_("Look and decide"),
    )


def _where(found: Sequence[Request]) -> str:
    """Where they are decided: a single one on its own page."""
    if len(found) == 1:
        return reverse("approvals:one", args=[found[0].approval.run_id])
    return reverse("approvals:list")


def _why_over(approval: Approval) -> str:
    """Why it is over; of an approval, what the colleague wrote to it."""
    if approval.decision != Approval.Decision.APPROVED:
        return str(approval.run.why)
    if not approval.note:
        return ""
    return f"{approval.decided_by_name}: {approval.note}"


def letter_to_owner(row: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letter that a request of theirs is over."""
    approval = Approval.objects.select_related("run__owner").filter(pk=row).first()
    owner = approval.run.owner if approval else None
    if approval is None or owner is None or not owner.email or now - written_at > mail.NOTICE_LIVES:
        return None
    asked = request(approval.run_id, owner, now)
    return Letter(
        to=owner.email,
        context={
            "name": mail.one_line(owner.username),
            "what": mail.one_line(asked.sentence),
            "word": asked.state[1],
            "why": _why_over(approval),
        },
        link=settings.SITE_URL + reverse("approvals:one", args=[approval.run_id]),
        link_label=_("Open the request"),
    )
