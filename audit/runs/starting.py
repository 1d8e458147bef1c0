"""From the preview of a run to the act."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from audit import record
from audit.execution import OperationRefused
from audit.models import Act, Run
from audit.operations import why_not_undo_yet
from audit.people import Actor
from audit.run_models import CHUNK
from audit.runs import drafting
from audit.runs.deeds import Deed

COUNTS = ("changed", "unchanged", "refused")


def begin(run: Run, doing: Deed, *, actor: Actor, now: datetime) -> None:
    """Let workers take the run up: the act is on record from here on, with ``actor`` as who does
    it. What was counted stays in the forecast. The caller holds the run's row and has judged all.

    Raises OperationRefused where somebody undid, or tried again, the same already.
    """
    if (earlier := run.undoes_id or run.retries_id) is not None:
        act = Act.objects.select_for_update(no_key=True).get(pk=earlier)
        if why := _why_not_again(run) or why_not_undo_yet(act):
            raise OperationRefused(why)
    record.begin(doing.context(actor=actor, now=now), personal=doing.procedure.personal)
    run.forecast = {**(run.forecast or {}), "counts": counts(run), "refusals": run.refusals}
    run.changed = run.unchanged = run.refused = run.failed = run.cursor = 0
    run.refusals, run.moved, run.batch, run.stalls, run.pace = {}, {}, CHUNK, 0, None
    run.state, run.started_at, run.lease_until = Run.State.RUNNING, now, None
    run.save()


def _why_not_again(run: Run) -> str:
    """Why this undo or retry comes too late; asked under the lock of its act."""
    if run.undoes_id is not None and Act.objects.filter(undoes=run.undoes_id).exists():
        return _("It was undone already.")
    if run.retries_id is not None and drafting.retry_of(run.retries_id):
        return _("Those were tried again already.")
    return ""


def counts(run: Run) -> dict[str, int]:
    """What the preview counted."""
    if run.started_at is not None and run.forecast is not None:
        return dict(run.forecast["counts"])
    return {name: getattr(run, name) for name in COUNTS}
