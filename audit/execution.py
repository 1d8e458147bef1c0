"""The one executor: every act is three functions for a set (load, decide, write), run here with
its receipts and audit entries in one transaction. Preview is the same judgement without lock and
without write."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _

from audit import approval_policy, people, record
from audit.models import Act, Receipt
from audit.people import Actor, Person
from audit.procedures import (
    ActContext,
    Cap,
    Case,
    Change,
    Guard,
    Over,
    Procedure,
    Receipts,
    Refusal,
    TargetReceipt,
    Verdict,
)

CHUNK = 2_000
_RETRIES = 4
_DEADLOCK, _SERIALIZATION = "40P01", "40001"


class OperationRefused(Exception):
    """The whole act is refused; the text is the sentence an admin reads."""


class ApprovalNeeded(OperationRefused):
    """Nothing was done: a second person must approve the act first. Carries the reasons."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(_("A second person must approve this. %s") % " ".join(reasons))
        self.reasons = reasons


class AlreadyPerformed(Exception):
    """An act with this id is recorded: the form was sent twice. Carries the receipts' act id."""

    def __init__(self, act_id: uuid.UUID) -> None:
        super().__init__(str(act_id))
        self.act_id = act_id


def preview(
    procedure: Procedure,
    ids: Iterable[int],
    params: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    guards: Sequence[Guard] = (),
    cap: Cap | None = None,
    codes: Sequence[str] = (),
) -> Receipts:
    """What ``execute`` would do to these targets now, and whether a second person must approve it
    first. Locks and writes nothing.

    Raises OperationRefused where the whole act would be refused.
    """
    act = ActContext(
        code=procedure.code, actor=actor, now=now, params=params, codes=codes, approved=True
    )
    judged: list[Judged] = []
    for chunk in _chunks(ids):
        judged += judge(procedure, chunk, act, guards=guards, seen=None, lock=False)
    reasons = _why_approval(cap, act, judged)
    return Receipts(None, tuple(each.receipt for each in judged), reasons)


def execute(
    procedure: Procedure,
    ids: Iterable[int],
    params: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    ticket: str = "",
    guards: Sequence[Guard] = (),
    cap: Cap | None = None,
    seen: Mapping[int, int] | None = None,
    undoes: uuid.UUID | None = None,
    act_id: uuid.UUID | None = None,
    codes: Sequence[str] = (),
) -> Receipts:
    """Do the act to each target and account for it; returns a receipt per target, in id order.

    Each chunk of 2,000 targets is one transaction with a constant number of statements: decisions
    under lock, writes, receipts and audit entries stand or fall together. An act that changes
    nothing leaves no trace.
    ``seen``: versions of the rows as they were looked at; a row that changed since is refused.
    ``codes``: the permissions under which a person does it.
    Raises OperationRefused (cap), ApprovalNeeded, AlreadyPerformed (an act of this id exists).
    """
    act = ActContext(
        code=procedure.code,
        actor=actor,
        now=now,
        reason=reason,
        ticket=ticket,
        params=params,
        undoes=undoes,
        id=act_id or uuid.uuid4(),
        codes=codes,
    )
    rows: list[TargetReceipt] = []
    recorded = False
    for chunk in _chunks(ids):
        step = partial(
            _execute_chunk,
            procedure,
            chunk,
            act,
            guards=guards,
            cap=cap,
            seen=seen,
            unrecorded=None if recorded else rows,
        )
        done = _unless_performed(act.id, step)
        recorded = recorded or any(row.outcome == Receipt.Outcome.CHANGED for row in done)
        rows = rows + done
    return Receipts(act.id if recorded else None, tuple(rows))


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one target: its receipt, and where it changes, the row and the change."""

    receipt: TargetReceipt
    row: Any = None
    change: Change | None = None


def _execute_chunk(
    procedure: Procedure,
    ids: Sequence[int],
    act: ActContext,
    *,
    guards: Sequence[Guard],
    cap: Cap | None,
    seen: Mapping[int, int] | None,
    unrecorded: Sequence[TargetReceipt] | None,
) -> list[TargetReceipt]:
    """One transaction. ``unrecorded``: receipts of earlier chunks that changed nothing and so are
    not stored yet; None once the act is stored."""
    first = unrecorded is not None
    with transaction.atomic():
        judged = judge(procedure, ids, act, guards=guards, seen=seen, lock=True)
        if first:
            _refuse_a_second_time(act)
        _keep_to_limits(cap, act, judged)
        receipts = [each.receipt for each in judged]
        changes = [(each.row, each.change) for each in judged if each.change is not None]
        if changes:
            undo = procedure.write(changes, act)
            stored = [*(unrecorded or ()), *receipts]
            record.acts(act, stored, undo, personal=procedure.personal, first=first)
        return receipts


def carry_on(
    procedure: Procedure,
    ids: Sequence[int],
    act: ActContext,
    *,
    guards: Sequence[Guard],
    cap: Cap | None = None,
    seen: Mapping[int, int] | None,
) -> list[TargetReceipt]:
    """Do one chunk of an act that is recorded already (``record.begin``), in the caller's
    transaction. Each target gets its receipt, whatever the outcome.

    Raises OperationRefused where this chunk goes over a cap.
    """
    judged = judge(procedure, ids, act, guards=guards, seen=seen, lock=True)
    if over := _over(cap, act, judged):
        raise OperationRefused(over.sentence)
    changes = [(each.row, each.change) for each in judged if each.change is not None]
    undo = procedure.write(changes, act) if changes else {}
    receipts = [each.receipt for each in judged]
    record.acts(act, receipts, undo, personal=procedure.personal, first=False)
    return receipts


def judge(
    procedure: Procedure,
    ids: Sequence[int],
    act: ActContext,
    *,
    guards: Sequence[Guard],
    seen: Mapping[int, int] | None,
    lock: bool,
) -> list[Judged]:
    """The verdict on every target. People are locked before the rows that belong to them, all in
    id order."""
    wanted = set(ids) | ({act.actor.pk} if act.actor.pk is not None else set())
    facts = people.look_up(wanted, lock=lock)
    actor_rank = people.rank_of(act.actor, facts)
    rows = {row.target_id: row for row in procedure.load(ids, lock=lock, params=act.params)}
    judged = []
    for target_id in ids:
        row = rows.get(target_id)
        person = facts.get(target_id) or _newcomer(procedure, row)
        version = procedure.version(row) if procedure.version and row is not None else None
        verdict = (
            Refusal(_("This user does not exist any more."))
            if person is None or row is None
            else _guarded(Case(act.actor, actor_rank, target_id, person, act.approved), guards)
            or _stale(seen, target_id, version)
            or procedure.decide(row, act.params, act.now)
        )
        name = person.name if person else ""
        judged.append(_given(target_id, name, row, version, verdict))
    return judged


def _newcomer(procedure: Procedure, row: Any) -> Person | None:
    if procedure.newcomer is None or row is None:
        return None
    return procedure.newcomer(row)


def _given(target_id: int, name: str, row: Any, version: int | None, verdict: Verdict) -> Judged:
    if isinstance(verdict, Change):
        receipt = TargetReceipt(
            target_id,
            name,
            Receipt.Outcome.CHANGED,
            verdict.before,
            verdict.after,
            version=version,
        )
        return Judged(receipt, row, verdict)
    if isinstance(verdict, Refusal):
        return Judged(
            TargetReceipt(
                target_id, name, Receipt.Outcome.REFUSED, refusal=verdict, version=version
            )
        )
    return Judged(TargetReceipt(target_id, name, Receipt.Outcome.UNCHANGED, version=version))


def _guarded(case: Case, guards: Sequence[Guard]) -> Refusal | None:
    return next(filter(None, (guard(case) for guard in guards)), None)


def _stale(seen: Mapping[int, int] | None, target_id: int, version: int | None) -> Refusal | None:
    if seen is None or version is None or seen.get(target_id) == version:
        return None
    return Refusal(_("Something changed since you looked; look again before you act."), stale=True)


def _keep_to_limits(cap: Cap | None, act: ActContext, judged: Sequence[Judged]) -> None:
    """Refuse the whole act where it would go over a cap, or needs a second person; the actor's row
    is locked, so acts of one person queue."""
    if any(each.change is not None for each in judged) and (
        reasons := _why_approval(cap, act, judged)
    ):
        raise ApprovalNeeded(reasons)


def _why_approval(cap: Cap | None, act: ActContext, judged: Sequence[Judged]) -> tuple[str, ...]:
    """Why a second person must approve this; empty where nobody must. Raises OperationRefused
    where nobody could."""
    over = cap(act, _changing(judged)) if cap else None
    if over is not None and not over.approvable:
        raise OperationRefused(over.sentence)
    receipts = [] if act.undoes else [each.receipt for each in judged]  # back is never too far
    return approval_policy.why(
        act.actor,
        act.codes,
        count=len(receipts),
        moved=approval_policy.moved(receipts),
        over=over,
    )


def _over(cap: Cap | None, act: ActContext, judged: Sequence[Judged]) -> Over | None:
    """The cap that this goes over and nobody approved."""
    over = cap(act, _changing(judged)) if cap else None
    return None if over is not None and over.approvable and act.approved else over


def _changing(judged: Sequence[Judged]) -> list[int]:
    return [each.receipt.target_id for each in judged if each.change is not None]


def _refuse_a_second_time(act: ActContext) -> None:
    if Act.objects.filter(pk=act.id).exists():
        raise AlreadyPerformed(act.id)


def _chunks(ids: Iterable[int]) -> list[list[int]]:
    ordered = sorted(set(ids))
    return [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]


def _unless_performed(
    act_id: uuid.UUID, step: Callable[[], list[TargetReceipt]]
) -> list[TargetReceipt]:
    """Run ``step``. Two people who send the same id at the same moment hold no lock in common: the
    later one finds the act only when it is written."""
    try:
        return _with_retries(step)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", "") != "audit_act_pkey":
            raise
        raise AlreadyPerformed(act_id) from error


def _with_retries(step: Callable[[], list[TargetReceipt]]) -> list[TargetReceipt]:
    """Run ``step`` again after a deadlock or serialization failure, unless we are inside the
    caller's transaction."""
    for attempt in range(_RETRIES):
        try:
            return step()
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            mine = not transaction.get_connection().in_atomic_block
            if state not in (_DEADLOCK, _SERIALIZATION) or not mine or attempt == _RETRIES - 1:
                raise
            time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 (jitter)
    raise AssertionError("unreachable")
