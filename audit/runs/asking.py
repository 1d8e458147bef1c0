"""What one does to a few users, and must not do alone: it becomes a run that is previewed at once
and waits for a second person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.execution import OperationRefused
from audit.models import Act, Run
from audit.operations import Operation
from audit.people import Actor
from audit.runs import approving, drafting, targets
from audit.runs.deeds import deed
from audit.runs.drafting import Form
from coai_admin.console import circumstances


@transaction.atomic
def ask_for(
    operation: Operation,
    ids: Sequence[int],
    data: Form,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    ticket: str = "",
    seen: Mapping[int, int] | None = None,
    run_id: uuid.UUID | None = None,
) -> Run:
    """Ask a second person to let ``actor`` do this to up to 1,000 users. ``data``: the form, name
    by name, as it was sent and found valid; ``seen``: as for ``operations.perform``; ``run_id``:
    chosen when the form was shown, so that sending it twice asks once.

    Raises PermissionDenied, and OperationRefused: nobody must approve it, nobody would be changed,
    something changed since it was looked at.
    """
    run = drafting.draft_for(operation, ids, data, actor=actor, now=now, run_id=run_id)
    if run.previewed_at is not None:
        return run
    return _ask(run, actor=actor, now=now, reason=reason, ticket=ticket, seen=seen)


@transaction.atomic
def ask_to_undo(act: Act, *, actor: Actor, now: datetime, reason: str) -> Run:
    """The same for undoing an act on up to 1,000 users. Asked twice, it is one request."""
    run = drafting.draft_undo(act, actor=actor, now=now, run_id=id_of_undo(act, actor))
    if run.previewed_at is not None:
        return run
    return _ask(run, actor=actor, now=now, reason=reason, ticket="", seen=None)


def id_of_undo(act: Act, actor: Actor) -> uuid.UUID:
    """The id of the run by which ``actor`` undoes an act: however often it is asked for, the
    same."""
    return uuid.uuid5(act.pk, f"undone by {actor.pk}")


def _ask(
    run: Run,
    *,
    actor: Actor,
    now: datetime,
    reason: str,
    ticket: str,
    seen: Mapping[int, int] | None,
) -> Run:
    run.reason, run.ticket = reason, ticket
    doing = deed(run, actor=actor)
    batch = targets.next_batch(run.pk, cursor=0, size=run.total)
    receipts = doing.foresee(batch, actor=actor, now=now)
    if doing.operation.needs_seen and run.undoes_id is None:
        looked = {row.target_id: row.version for row in receipts if row.version is not None}
        if seen is None or any(seen.get(pk) != version for pk, version in looked.items()):
            raise OperationRefused(
                _("Something changed since you looked; look again before you act.")
            )
        targets.note_versions(run.pk, batch, [looked.get(pk) for pk in batch.ids])
    targets.leave_out(run.pk, batch, receipts)
    run.forecast = doing.grown(run.forecast, receipts, now=now)
    for receipt in receipts:
        name = receipt.outcome.name.lower()
        setattr(run, name, getattr(run, name) + 1)
        if receipt.refusal is not None:
            group = receipt.refusal.group
            run.refusals[group] = run.refusals.get(group, 0) + 1
    run.cursor, run.previewed_at = run.total, now
    if not run.changed:
        raise OperationRefused(_("Nobody would be changed."))
    reasons = approving.why_approval(run, doing, actor=actor, now=now)
    if not reasons:
        raise OperationRefused(_("One person is enough for this now; look again."))
    run.request_id, run.ip = circumstances.request_id(), circumstances.ip()
    approving.ask(run, doing, reasons, actor=actor, now=now)
    return run
