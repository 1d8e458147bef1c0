"""Two people for what one should not do alone: a run waits until a colleague approves or refuses
it, for a day. The only module that writes ``Approval``.

What is approved is what was asked for: a digest over all of it is taken when it is asked for, and
again when it is approved and when its first batch is done; any difference voids the approval.
The run is done in the name of who asked, who must still be allowed to when it is approved.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from audit import approval_policy, outbox, people, record
from audit.execution import OperationRefused
from audit.models import Approval, Run
from audit.operations import for_number
from audit.people import Actor
from audit.procedures import Over
from audit.runs import targets
from audit.runs.deeds import Deed, deed
from audit.runs.starting import begin, counts

LIFE = timedelta(hours=24)
DECIDE = "audit.approve_run"
ASKED, OVER = "audit.approval_asked", "audit.approval_over"  # kinds of outbox messages
Decision = Approval.Decision


@dataclass(frozen=True, slots=True)
class Ending:
    """What a request comes to: the action in the audit log, the decision, why the run is over."""

    action: str
    decision: Approval.Decision
    why: str = ""


# Asking


def why_approval(run: Run, doing: Deed, *, actor: Actor, now: datetime) -> tuple[str, ...]:
    """Why a previewed run waits for a second person; empty where its owner may start it alone.
    Raises OperationRefused where it is over a cap and nobody could approve it."""
    cap = doing.operation.cap if run.undoes_id is None else None
    over = cap(doing.context(actor=actor, now=now), targets.Changing(run)) if cap else None
    if over is not None and not over.approvable:
        raise OperationRefused(over.sentence)
    return _reasons(run, doing, actor, over)


def will_wait(run: Run, *, actor: Actor, now: datetime) -> tuple[str, ...]:
    """Why a previewed run would wait for a second person, for the page where it is confirmed; empty
    also where it could not be confirmed at all. Looks at caps only where nothing else asks for
    one, as they look at everybody."""
    try:
        doing = deed(run, actor=actor)
        return _reasons(run, doing, actor, None) or why_approval(run, doing, actor=actor, now=now)
    except (PermissionDenied, OperationRefused):
        return ()


def _reasons(run: Run, doing: Deed, actor: Actor, over: Over | None) -> tuple[str, ...]:
    """Going back is never too far: an undo is asked for by its permissions alone."""
    undoing = run.undoes_id is not None
    foreseen = _largest((run.forecast or {}).get("moved", {}))
    return approval_policy.why(
        actor,
        codes_of(run, doing, actor),
        count=0 if undoing else run.total,
        moved=Decimal(0) if undoing else foreseen,
        over=over,
    )


def _largest(moved: Mapping[str, str]) -> Decimal:
    return max(map(Decimal, moved.values()), default=Decimal(0))


def why_too_much(run: Run, doing: Deed, *, actor: Actor) -> str:
    """Why a run that one person started may not go on to have moved this much: people were changed
    since it was counted. Empty where it may."""
    if doing.approved or run.undoes_id is not None:
        return ""
    reasons = approval_policy.why(
        actor, codes_of(run, doing, actor), count=0, moved=_largest(run.moved), over=None
    )
    return " ".join(reasons)


def would_ask(run: Run, *, actor: Actor) -> Approval:
    """The request that a previewed run would become, as ``colleagues`` takes it; nothing is
    kept."""
    return Approval(run=run, codes=codes_of(run, deed(run, actor=actor), actor))


def codes_of(run: Run, doing: Deed, actor: Actor) -> list[str]:
    """The permissions under which a previewed run is done."""
    if run.undoes is not None:
        return doing.operation.permissions_to_undo(run.undoes, actor)
    return sorted({*(run.forecast or {})["codes"], *for_number(run.total)})


def ask(run: Run, doing: Deed, reasons: Sequence[str], *, actor: Actor, now: datetime) -> None:
    """Let a previewed run wait for a second person. The caller holds the run's row; its reason
    stands in it."""
    run.state, run.expires_at, run.lease_until = Run.State.WAITING, now + LIFE, None
    run.save()
    codes = codes_of(run, doing, actor)
    approval = Approval.objects.create(
        run=run,
        digest=digest(run, codes),
        codes=codes,
        reasons=list(reasons),
        asked_at=now,
        expires_at=now + LIFE,
    )
    record.entry(
        "audit.ask_approval",
        actor=actor,
        now=now,
        target=("run", None, run.code),
        changes={"run": run.pk, "users": run.total, "digest": approval.digest},
        reason=run.reason,
        ticket=run.ticket,
        act_id=run.pk,
    )
    outbox.send(ASKED, {"run": str(run.pk)}, now=now)


def digest(run: Run, codes: Sequence[str]) -> str:
    """SHA-256 over all that a run would do, and what its preview said of it."""
    forecast = run.forecast or {}
    payload = {
        "code": run.code,
        "params": run.params,
        "at": run.created_at,
        "owner": run.owner_id,
        "reason": run.reason,
        "ticket": run.ticket,
        "undoes": run.undoes_id,
        "retries": run.retries_id,
        "targets": targets.digest(run.pk),
        "total": run.total,
        "totals": forecast.get("totals"),
        "counts": counts(run),
        "codes": sorted(codes),
    }
    return hashlib.sha256(record.as_json(payload).encode()).hexdigest()


# Who may decide


def colleagues(approvals: Sequence[Approval], *, now: datetime) -> dict[uuid.UUID, dict[int, str]]:
    """Who may decide each of these, by run and id: staff who may do it themselves and rank no lower
    than who asked, but not that person, nor anybody to whom it is done. Two statements; none where
    there are no requests."""
    if not approvals:
        return {}
    asked = [
        ([DECIDE, *each.codes], each.run.owner.rank if each.run.owner else 0) for each in approvals
    ]
    found = people.approvers(asked, now=now)
    able = {pk for some in found for pk in some}
    barred = targets.those_in([each.run_id for each in approvals], able)
    return {
        each.run_id: {
            pk: name
            for pk, name in some.items()
            if pk != each.run.owner_id and (each.run_id, pk) not in barred
        }
        for each, some in zip(approvals, found, strict=True)
    }


def why_not_decide(approval: Approval, *, actor: Actor, able: Collection[int]) -> str:
    """Why ``actor`` can neither approve nor refuse this now; empty when they can. ``able``: whom
    ``colleagues`` names. The server's operator has no id and always can."""
    run = approval.run
    if approval.decision != Decision.OPEN:
        return _("This was decided already: %(what)s.") % {
            "what": Decision(approval.decision).label
        }
    if actor.pk is None:
        return ""
    if actor.pk == run.owner_id:
        return _("You asked for this yourself; a colleague must approve it.")
    if actor.pk in able:
        return ""
    if targets.those_in([run.pk], [actor.pk]):
        return _("This is done to your own account; another colleague must approve it.")
    return _("Only who may do this themselves, and ranks no lower than who asked, decides it.")


# Deciding


def approve(run_id: uuid.UUID, *, actor: Actor, now: datetime, note: str = "") -> None:
    """Approve a run, which starts.

    Raises OperationRefused where this person may not, it was decided meanwhile, it is a day old,
    or it is not any more what was asked for; the last two end it.
    """
    ending = Ending("audit.approve_run", Decision.APPROVED)
    _decide(run_id, ending, actor=actor, now=now, note=note)


def refuse(run_id: uuid.UUID, *, actor: Actor, now: datetime, note: str) -> None:
    """Refuse a run, which is over. Raises OperationRefused as ``approve`` does."""
    why = _("Refused by %(name)s: %(note)s") % {"name": actor.username, "note": note}
    ending = Ending("audit.refuse_run", Decision.REFUSED, why)
    _decide(run_id, ending, actor=actor, now=now, note=note)


def _decide(run_id: uuid.UUID, wanted: Ending, *, actor: Actor, now: datetime, note: str) -> None:
    with transaction.atomic():
        run, approval = _locked(run_id)
        people.look_up({run.owner_id, actor.pk} - {None}, lock=True)  # roles stay as they are
        able = colleagues([approval], now=now)[run.pk]
        if why := why_not_decide(approval, actor=actor, able=able):
            raise OperationRefused(why)
        other = _expired(approval, now)
        if other is None and wanted.decision == Decision.APPROVED:
            other = _start(run, approval, now)
        if other is None:
            _close(run, approval, wanted, actor=actor, now=now, note=note)
        else:
            _close(run, approval, other, actor=people.SYSTEM, now=now)
    if other is not None:
        raise OperationRefused(other.why)


def _locked(run_id: uuid.UUID) -> tuple[Run, Approval]:
    """Raises Approval.DoesNotExist."""
    run = Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
    approval = Approval.objects.get(run_id=run_id)
    assert run is not None
    approval.run = run
    return run, approval


def _expired(approval: Approval, now: datetime) -> Ending | None:
    if now < approval.expires_at:
        return None
    why = _("Nobody approved it within 24 hours.")
    return Ending("audit.expire_approval", Decision.EXPIRED, why)


def _start(run: Run, approval: Approval, now: datetime) -> Ending | None:
    """Start the act in the name of who asked; what ends it instead, where it cannot be done any
    more."""
    try:
        actor = _owner(run, now)
        doing = deed(run, actor=actor)
        codes = codes_of(run, doing, actor)
        if digest(run, codes) != approval.digest:
            return _void(what_changed())
        if not all(map(actor.may, codes)):
            raise PermissionDenied(_("Your role does not allow this."))
        why_approval(run, doing, actor=actor, now=now)
        with transaction.atomic():
            begin(run, doing, actor=actor, now=now)
    except PermissionDenied:
        return _void(_("Whoever asked for this may not do it any more."))
    except OperationRefused as refusal:
        return _void(str(refusal))
    return None


def _void(why: str) -> Ending:
    return Ending("audit.void_approval", Decision.VOID, why)


def what_changed() -> str:
    """Why an approval is void whose run is not any more what was asked for."""
    return _("It is not any more what was asked for, so the approval is void. Ask again.")


def _owner(run: Run, now: datetime) -> Actor:
    if run.owner_id is not None:
        people.look_up([run.owner_id], lock=True)
        if actor := people.acting(run.owner_id, now=now):
            return actor
    raise PermissionDenied


def _close(
    run: Run, approval: Approval, ending: Ending, *, actor: Actor, now: datetime, note: str = ""
) -> None:
    """Write the decision, and what becomes of the run, with an entry of its own."""
    approval.decision, approval.decided_at, approval.note = ending.decision, now, note
    approval.decided_by_id, approval.decided_by_name = actor.pk, actor.username
    approval.save()
    if ending.decision != Decision.APPROVED:
        run.state, run.why, run.finished_at = Run.State.CANCELLED, ending.why, now
        run.lease_until = None
        run.save(update_fields=["state", "why", "finished_at", "lease_until"])
    changes: dict[str, Any] = {"run": run.pk, "users": run.total, "asked_by": run.owner_name}
    record.entry(
        ending.action,
        actor=actor,
        now=now,
        target=("run", None, run.code),
        changes={**changes, "digest": approval.digest},
        reason=note or ending.why,
        act_id=run.pk,
    )
    if ending.decision != Decision.WITHDRAWN:
        outbox.send(OVER, {"run": str(run.pk)}, now=now)


def withdraw(run: Run, *, actor: Actor, now: datetime) -> None:
    """What was asked for is cancelled before anybody decided. The caller holds the run's row."""
    why = _("Withdrawn by %(name)s.") % {"name": actor.username}
    ending = Ending("audit.cancel_run", Decision.WITHDRAWN, why)
    _close(run, Approval.objects.get(run=run), ending, actor=actor, now=now)


def expire(now: datetime) -> int:
    """End what nobody approved within a day; returns how many. A late job approves nothing: time
    is asked when somebody decides, too."""
    due = Approval.objects.filter(decision=Decision.OPEN, expires_at__lte=now)
    ended = 0
    for run_id in due.values_list("run_id", flat=True):
        with transaction.atomic():
            run, approval = _locked(run_id)
            ending = _expired(approval, now)
            if approval.decision == Decision.OPEN and ending is not None:
                _close(run, approval, ending, actor=people.SYSTEM, now=now)
                ended += 1
    return ended


def is_what_was_approved(run: Run) -> bool:
    """Whether a run that was approved is still what was asked for."""
    approval = Approval.objects.get(run=run)
    return digest(run, approval.codes) == approval.digest
