"""Operations: an act as data, and the only door through which people act. Permission is asked here
and nowhere else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit import execution, people
from audit.approval_policy import RUN
from audit.execution import OperationRefused
from audit.forms import OperationForm
from audit.guards import HIGHEST_RANK, not_oneself, outranks
from audit.models import Act, Receipt, Run
from audit.people import Actor
from audit.procedures import Cap, Case, Change, Guard, Procedure, Receipts, Refusal

MOST_AT_ONCE = 1_000
ON_MANY = "audit.act_on_many"
UNDO_RUN = "audit.undo_run"
UNDO_FOR = timedelta(days=30)
MOST_UNASKED = 50  # so many, and somebody who does a grave act writes the number first


class Danger(Enum):
    PLAIN = "plain"
    STEP_UP = "step-up"
    TWO_PERSON = "two-person"


def never(_params: Mapping[str, Any]) -> bool:
    """An act that takes nothing from anybody."""
    return False


def always(_params: Mapping[str, Any]) -> bool:
    """An act that takes something from people, however it is done."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An act as data. ``procedure.code`` is its name as service, permission, audit action and URL
    part.

    ``label`` names it ("Suspend"); ``sentence(params, count)`` says what the button will do
    ("Suspend 37 users until 12 Aug"). ``obstacles(ids, now)``: in one query, why it makes no sense
    for some targets ("Not restricted."), for menus. ``caution(ids, now)``: what to warn of beside
    the preview. ``inverse``: the procedure that undoes it over its receipts. ``many``: whether it
    makes sense for several. ``needs_seen``: whether people must say which versions they saw.
    ``also(params, ids, now)``: the permissions that these parameters and
    targets need beside its own. ``undone_as``: the permission that undoing what a colleague did
    needs beside its own, where that is an act of its own (who undoes a suspension lifts it).
    ``grave(params)``: it takes something from people; a run of it on many asks for their number."""

    procedure: Procedure
    service: Callable[..., Receipts]
    label: str | Promise
    sentence: Callable[[Mapping[str, Any], int], str]
    done: Callable[[Mapping[str, Any], int], str]
    form: type[OperationForm]
    icon: str = "act"
    guards: tuple[Guard, ...] = (not_oneself, outranks)
    cap: Cap | None = None
    danger: Danger = Danger.PLAIN
    many: bool = True
    needs_seen: bool = False
    inverse: Procedure | None = None
    obstacles: Callable[[Sequence[int], datetime], Mapping[int, str]] | None = None
    caution: Callable[[Sequence[int], datetime], str] | None = None
    also: Callable[[Mapping[str, Any], Sequence[int], datetime], Sequence[str]] | None = None
    undone_as: str = ""
    grave: Callable[[Mapping[str, Any]], bool] = never
    target: str = "user"

    @property
    def code(self) -> str:
        return self.procedure.code

    def permissions(
        self, params: Mapping[str, Any], ids: Sequence[int], now: datetime
    ) -> list[str]:
        """Under which permissions this would be done: whoever holds one of them only with step-up
        is asked for it. What the role lacks is refused elsewhere, by guards and caps."""
        also = self.also(params, ids, now) if self.also else ()
        return [self.code, *for_number(len(ids)), *also]

    def permissions_to_undo(self, act: Act, actor: Actor) -> list[str]:
        """The same for undoing an act of this kind."""
        many = [ON_MANY] if act.changed > 1 else []
        large = [UNDO_RUN] if is_large(act.changed) else []
        as_another = [self.undone_as] if self.undone_as and not did(actor, act) else []
        return [self.code, *many, *large, *as_another]


def is_large(count: int) -> bool:
    """Whether an act on so many is a run's."""
    return count > MOST_AT_ONCE


def for_number(count: int) -> list[str]:
    """The permissions that acting on so many needs beside the act's own."""
    many = [ON_MANY] if count > 1 else []
    return [*many, RUN] if is_large(count) else many


WhyNot = Callable[[Any, datetime], str]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Obstacles that are read off the rows of an act. Acts that share ``load`` are judged by one
    reading of the rows."""

    load: Callable[..., Sequence[Any]]
    why_not: WhyNot

    def __call__(self, ids: Sequence[int], now: datetime) -> dict[int, str]:
        return self.judge(self.read(ids), now)

    def read(self, ids: Sequence[int]) -> Sequence[Any]:
        return self.load(ids, lock=False, params={})

    def judge(self, rows: Sequence[Any], now: datetime) -> dict[int, str]:
        """Why not, for each of these rows that something stands in the way of."""
        found = {row.target_id: self.why_not(row, now) for row in rows}
        return {target: why for target, why in found.items() if why}


def by_deciding(
    procedure: Procedure, nothing: str | Promise, *, params: Mapping[str, Any] | None = None
) -> Reading:
    """The obstacles of an act that needs no parameters (or these): what its own ``decide`` refuses,
    and ``nothing`` where there is nothing to do."""

    def why_not(row: Any, now: datetime) -> str:
        verdict = procedure.decide(row, params or {}, now)
        if isinstance(verdict, Change):
            return ""
        return verdict.sentence if isinstance(verdict, Refusal) else str(nothing)

    return Reading(procedure.load, why_not)


def whatever_is_asked(
    procedure: Procedure, refuse: Callable[[Any, datetime], Refusal | None]
) -> Reading:
    """The obstacles of an act that needs parameters: what ``refuse`` says of a row for which no
    parameters would do. The act's own ``decide`` asks it too."""

    def why_not(row: Any, now: datetime) -> str:
        refusal = refuse(row, now)
        return refusal.sentence if refusal else ""

    return Reading(procedure.load, why_not)


def users(number: int) -> str:
    """So many users, for the sentences of operations."""
    return ngettext("%(n)s user", "%(n)s users", number) % {"n": f"{number:,}"}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One line of a quick-action menu; ``refusal`` is why it is greyed, ``guard`` what refused, if
    it was a guard."""

    operation: Operation
    refusal: str = ""
    guard: Guard | None = None


def preview(
    operation: Operation,
    ids: Sequence[int],
    params: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> Receipts:
    """What ``perform`` would do now, or once a second person approved it. Raises PermissionDenied
    and OperationRefused as ``perform`` does."""
    require(operation, ids, actor=actor)
    return execution.preview(
        operation.procedure,
        ids,
        params,
        actor=actor,
        now=now,
        guards=operation.guards,
        cap=operation.cap,
        codes=operation.permissions(params, ids, now),
    )


def perform(
    operation: Operation,
    ids: Sequence[int],
    params: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    ticket: str = "",
    seen: Mapping[int, int] | None = None,
    act_id: uuid.UUID | None = None,
) -> Receipts:
    """Do the operation as ``actor``: the only door for people.

    ``act_id``: chosen when the form was shown, so that sending it twice does it once.
    ``seen``: the versions that were looked at; some operations cannot be done without.
    Raises PermissionDenied, OperationRefused (too many, over a cap, not looked at), ApprovalNeeded
    (``audit.runs.asking``), AlreadyPerformed.
    """
    require(operation, ids, actor=actor)
    if operation.needs_seen and seen is None:
        raise OperationRefused(_("Look at what would change first, and send what you saw."))
    return execution.execute(
        operation.procedure,
        ids,
        params,
        actor=actor,
        now=now,
        reason=reason,
        ticket=ticket,
        guards=operation.guards,
        cap=operation.cap,
        seen=seen,
        act_id=act_id,
        codes=operation.permissions(params, ids, now),
    )


def why_not_undo(operation: Operation | None, act: Act, *, actor: Actor, now: datetime) -> str:
    """Why this act cannot be undone by this actor now; empty when it can."""
    if operation is None or operation.inverse is None:
        return _("This act has no undo.")
    if not actor.may(operation.code):
        return _("Your role does not allow this.")
    if act.undoes_id is not None:
        return _("This is itself an undo.")
    if act.changed > 1 and not actor.may(ON_MANY):
        return _("Your role acts on one user at a time.")
    if not did(actor, act) and _rank_of_who_did(act) > actor.rank:
        return _("Somebody who ranks above you did this.")
    if not all(map(actor.may, operation.permissions_to_undo(act, actor))):
        return _("Your role does not allow this.")
    if hasattr(act, "undone_by"):
        return _("It was undone already.")
    if now - act.created_at > UNDO_FOR:
        return _("Acts can be undone for 30 days.")
    return ""


def why_not_undo_yet(act: Act) -> str:
    """Why an act cannot be undone before it has come to its end; empty when it has."""
    if Run.objects.filter(pk=act.pk, state__in=(Run.State.RUNNING, Run.State.PAUSED)).exists():
        return _("The run that does this is not over yet. Cancel it first, or wait for its end.")
    return ""


def did(actor: Actor, act: Act) -> bool:
    """Whether it was this actor. The system and service keys have no id, only their names."""
    if actor.pk is None:
        return act.actor_id is None and act.actor_name == actor.username
    return bool(act.actor_id == actor.pk)


def _rank_of_who_did(act: Act) -> int:
    """An act of the system, of a service key, or of somebody who is gone counts as a super
    admin's."""
    return act.actor.rank if act.actor else HIGHEST_RANK


def undo(
    operation: Operation,
    act: Act,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    act_id: uuid.UUID | None = None,
) -> Receipts:
    """Undo an act: its inverse over its receipts. Targets whose state changed since are refused
    and listed.

    Raises OperationRefused with the reason where it cannot be undone, or only as a run, and
    ApprovalNeeded.
    """
    with transaction.atomic():
        act = Act.objects.select_for_update(no_key=True).get(pk=act.pk)
        why = why_not_undo(operation, act, actor=actor, now=now) or why_not_undo_yet(act)
        if why := why or _why_only_as_a_run(act):
            raise OperationRefused(why)
        assert operation.inverse is not None
        changed = Receipt.objects.filter(act=act, outcome=Receipt.Outcome.CHANGED)
        receipts = dict(changed.values_list("target_id", "undo"))
        return execution.execute(
            operation.inverse,
            receipts,
            {"act": act.pk, "receipts": receipts},
            actor=actor,
            now=now,
            reason=reason,
            guards=operation.guards,
            undoes=act.pk,
            act_id=act_id,
            codes=operation.permissions_to_undo(act, actor),
        )


def _why_only_as_a_run(act: Act) -> str:
    words = _("%(users)s were changed. Undo it in the console, where that becomes a run.")
    return words % {"users": users(act.changed)} if act.changed > MOST_AT_ONCE else ""


def menus(
    operations: Sequence[Operation], ids: Sequence[int], *, actor: Actor, now: datetime
) -> dict[int, list[MenuItem]]:
    """For each target the acts that ``actor`` may do, the impossible ones with the reason: a
    constant number of queries for any number of targets."""
    allowed = [operation for operation in operations if actor.may(operation.code)]
    wanted = set(ids) | ({actor.pk} if actor.pk is not None else set())
    facts = people.look_up(wanted)
    rank = people.rank_of(actor, facts)
    obstacles = _obstacles(allowed, ids, now)
    return {
        target: [
            _item(operation, Case(actor, rank, target, facts[target]), obstacles)
            for operation in allowed
        ]
        for target in ids
        if target in facts
    }


def _obstacles(
    operations: Sequence[Operation], ids: Sequence[int], now: datetime
) -> dict[str, Mapping[int, str]]:
    loaded: dict[Any, Sequence[Any]] = {}
    found: dict[str, Mapping[int, str]] = {}
    for operation in operations:
        obstacles = operation.obstacles
        if isinstance(obstacles, Reading):
            if obstacles.load not in loaded:
                loaded[obstacles.load] = obstacles.read(ids)
            found[operation.code] = obstacles.judge(loaded[obstacles.load], now)
        else:
            found[operation.code] = obstacles(ids, now) if obstacles else {}
    return found


def _item(operation: Operation, case: Case, obstacles: Mapping[str, Mapping[int, str]]) -> MenuItem:
    for guard in operation.guards:
        if refusal := guard(case):
            return MenuItem(operation, refusal.sentence, guard)
    return MenuItem(operation, obstacles[operation.code].get(case.target_id, ""))


def require(operation: Operation, ids: Sequence[int], *, actor: Actor) -> None:
    """That ``actor`` may do this to so many at all. Raises PermissionDenied (the role) and
    OperationRefused (the number) with the sentence that people read."""
    if not actor.may(operation.code):
        raise PermissionDenied(_("Your role does not allow this."))
    if len(ids) <= 1:
        return
    if not operation.many:
        raise OperationRefused(_("This is done to one user at a time."))
    if not actor.may(ON_MANY):
        raise PermissionDenied(_("Your role acts on one user at a time."))
    if len(ids) > MOST_AT_ONCE:
        raise OperationRefused(why_too_many(len(ids)))


def require_run(operation: Operation, *, actor: Actor) -> None:
    """That ``actor`` may start a run of this at all. Raises PermissionDenied."""
    if not actor.may(operation.code):
        raise PermissionDenied(_("Your role does not allow this."))
    if not actor.may(RUN):
        raise PermissionDenied(_("Your role starts no runs."))


def why_too_many(count: int) -> str:
    """Why so many cannot be acted on at once, but by a run; empty when they can."""
    if count <= MOST_AT_ONCE:
        return ""
    return _(
        "%(count)s users are selected; at most %(most)s can be changed at once. "
        "More become a run, which is prepared and confirmed in the console."
    ) % {"count": f"{count:,}", "most": f"{MOST_AT_ONCE:,}"}
