"""What people do with a run: confirm it, pause, go on, cancel. A worker that is in the middle of a
batch finishes it; the next one is not begun."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from audit import record
from audit.execution import OperationRefused
from audit.models import Act, Approval, Run
from audit.operations import UNDO_FOR
from audit.people import Actor
from audit.runs import approving, starting
from audit.runs.deeds import deed
from coai_admin.console import circumstances

_OWN = (Run.State.PREVIEWING, Run.State.PREVIEWED, Run.State.WAITING)
_STARTED = (Run.State.RUNNING, Run.State.PAUSED)
_STOPPED = (Run.State.PAUSED, Run.State.CANCELLED, Run.State.HALTED)
CONFIRM, PAUSE, RESUME, CANCEL = "confirm", "pause", "resume", "cancel"
CANCEL_ANY = "audit.cancel_run"
_REMEMBERED = timedelta(days=30)


def why_not(what: str, run: Run, *, actor: Actor, now: datetime) -> str:
    """Why ``actor`` cannot do this with the run now; empty when they can."""
    return _WHY_NOT[what](run, actor, now)


def _not_confirmed(run: Run, actor: Actor, now: datetime) -> str:
    if run.owner_id != actor.pk:
        return _("Only who prepared it can confirm it.")
    if run.state != Run.State.PREVIEWED:
        return _("This run is not waiting to be confirmed.")
    if now >= run.expires_at:
        return _("This preview is a day old. Make it again.")
    if not run.changed:
        return _("Nobody would be changed.")
    return ""


def _not_steered(run: Run, actor: Actor) -> str:
    if run.owner_id == actor.pk:
        return ""
    if not _steers_any(actor):
        return _("This is a colleague's run.")
    return ""


def _not_paused(run: Run, actor: Actor, now: datetime) -> str:
    if run.state != Run.State.RUNNING:
        return _("This run is not running.")
    return _not_steered(run, actor)


def _not_resumed(run: Run, actor: Actor, now: datetime) -> str:
    if run.state not in _STOPPED or run.started_at is None:
        return _("This run is not paused.")
    if run.cursor >= run.total:
        return _("Nobody is left of this run.")
    if run.state != Run.State.PAUSED and (why := _too_late(run, now)):
        return why
    if run.stopped_by_id not in (None, actor.pk) and not _steers_any(actor):
        return _("A colleague stopped it; it is theirs to let go on.")
    return _not_steered(run, actor)


def _too_late(run: Run, now: datetime) -> str:
    """Why a run that was cut off cannot go on any more."""
    assert run.started_at is not None
    if run.started_at + UNDO_FOR <= now:
        return _("A run that was stopped goes on for 30 days.")
    if Act.objects.filter(undoes=run.pk).exists():
        return _("What it had done was undone.")
    approved = Approval.objects.filter(run=run, decision=Approval.Decision.APPROVED)
    if approved.filter(decided_at__lte=now - approving.LIFE).exists():
        return _("It was approved over a day ago. Prepare it anew for the others.")
    return ""


def _steers_any(actor: Actor) -> bool:
    return actor.may(CANCEL_ANY) and not actor.sees_only_own(CANCEL_ANY)


def _not_cancelled(run: Run, actor: Actor, now: datetime) -> str:
    if run.state not in (*_OWN, *_STARTED):
        return _("This run is over.")
    return _not_steered(run, actor)


_WHY_NOT: dict[str, Callable[[Run, Actor, datetime], str]] = {
    CONFIRM: _not_confirmed,
    PAUSE: _not_paused,
    RESUME: _not_resumed,
    CANCEL: _not_cancelled,
}


@transaction.atomic
def confirm(
    run_id: uuid.UUID, *, actor: Actor, now: datetime, reason: str, ticket: str = ""
) -> Run:
    """Start a previewed run, for this reason, or let it wait for a second person's approval.
    Raises OperationRefused, and PermissionDenied where the role is gone."""
    run = _locked(run_id, CONFIRM, actor=actor, now=now)
    run.reason, run.ticket = reason, ticket
    run.request_id, run.ip = circumstances.request_id(), circumstances.ip()
    doing = deed(run, actor=actor)
    if reasons := approving.why_approval(run, doing, actor=actor, now=now):
        approving.ask(run, doing, reasons, actor=actor, now=now)
    else:
        starting.begin(run, doing, actor=actor, now=now)
    return run


def pause(run_id: uuid.UUID, *, actor: Actor, now: datetime) -> Run:
    """Stop after the batch under way. Raises OperationRefused."""
    return _turn("audit.pause_run", run_id, PAUSE, Run.State.PAUSED, actor=actor, now=now)


def resume(run_id: uuid.UUID, *, actor: Actor, now: datetime) -> Run:
    """Go on where it was paused, or where it was cut off: nobody is dealt with twice. Raises
    OperationRefused."""
    return _turn("audit.resume_run", run_id, RESUME, Run.State.RUNNING, actor=actor, now=now)


def cancel(run_id: uuid.UUID, *, actor: Actor, now: datetime) -> Run:
    """Stop after the batch under way; what was done stays, and can be undone; the rest can go on.
    Raises OperationRefused."""
    return _turn("audit.cancel_run", run_id, CANCEL, Run.State.CANCELLED, actor=actor, now=now)


@transaction.atomic
def discard(run_id: uuid.UUID, *, actor: Actor, now: datetime) -> Run:
    """Take a run back that has not begun. Raises OperationRefused, also where it began
    meanwhile."""
    run = _locked(run_id, CANCEL, actor=actor, now=now)
    if run.started_at is not None:
        raise OperationRefused(_("It was approved, or confirmed, meanwhile: it has begun."))
    return cancel(run_id, actor=actor, now=now)


@transaction.atomic
def _turn(
    action: str, run_id: uuid.UUID, what: str, state: Run.State, *, actor: Actor, now: datetime
) -> Run:
    run = _locked(run_id, what, actor=actor, now=now)
    if run.state == Run.State.WAITING:
        approving.withdraw(run, actor=actor, now=now)
        return run
    if state == Run.State.RUNNING:
        Act.objects.select_for_update(no_key=True).get(pk=run.pk)  # nobody undoes it meanwhile
        if why := _not_resumed(run, actor, now):
            raise OperationRefused(why)
    run.state, run.lease_until, run.why = state, None, ""
    run.finished_at = now if state == Run.State.CANCELLED else None
    run.stopped_by_id = None if state == Run.State.RUNNING else actor.pk
    run.save(update_fields=["state", "lease_until", "why", "finished_at", "stopped_by"])
    if run.started_at is not None:
        record.entry(
            action,
            actor=actor,
            now=now,
            target=("run", None, run.code),
            changes={"run": run.pk, "done": run.cursor, "of": run.total},
            act_id=run.pk,
        )
    return run


def _locked(run_id: uuid.UUID, what: str, *, actor: Actor, now: datetime) -> Run:
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if why := why_not(what, run, actor=actor, now=now):
        raise OperationRefused(why)
    return run


def forget_drafts(now: datetime) -> int:
    """Delete runs that were never started: a day after they were made, or 30 days after a second
    person was asked about them. Returns how many."""
    drafts = Run.objects.filter(started_at__isnull=True)
    own = Q(approval__isnull=True, expires_at__lte=now)
    asked = Q(finished_at__isnull=False, expires_at__lte=now - _REMEMBERED)
    with transaction.atomic():
        # What somebody is confirming at this moment stays.
        held = drafts.select_for_update(of=("self",), skip_locked=True)
        found = list(held.filter(own | asked).values_list("pk", flat=True))
        return Run.objects.filter(pk__in=found).delete()[0]
