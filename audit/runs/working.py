"""What workers do with runs: take up the next that is due, deal with one batch after the other, and
leave it to whoever comes next.

Everything that a batch did, its receipts and audit entries, and how far the run is, stand or fall
with one transaction. A worker holds a run by a lease, which each batch renews; one that was killed
lets it run out. Taking a run up makes its ``token`` grow, and a batch is written only under the
token that took the run up, so that a worker that slept through its lease writes nothing.

A batch that fails is tried again in smaller and smaller ones, down to the single target, which is
set aside with the error. So is one that workers do not survive: a target that they died on twice,
alone, is set aside.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import people, record
from audit.execution import OperationRefused
from audit.models import Receipt, Run
from audit.people import Actor
from audit.procedures import TargetReceipt
from audit.registry import operation_of
from audit.run_models import CHUNK
from audit.runs import approving, forecasts, targets
from audit.runs.deeds import Deed, deed
from audit.runs.targets import Batch
from coai_admin.console import circumstances

SLICE = timedelta(seconds=8)  # then others get their turn: another run, mail, statistics
_SMALLER, _LARGER = 8, 2
_DEATHS = 2  # on one target alone
_log = structlog.get_logger(__name__)

# The clock is the database's: workers' clocks may differ. A run whose worker was killed comes
# first; the others take turns by chance, so that none waits for another to end.
_CLAIM = """
UPDATE audit_run SET token = token + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
       stalls = CASE WHEN lease_until IS NULL THEN 0 ELSE stalls + 1 END
 WHERE id = (SELECT id FROM audit_run
              WHERE state IN ('previewing', 'running')
                AND (lease_until IS NULL OR lease_until < clock_timestamp())
              ORDER BY lease_until NULLS LAST, random()
              LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, token
"""
_RENEW = (
    "UPDATE audit_run SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE id = %s"
)
_RELEASE = "UPDATE audit_run SET lease_until = NULL WHERE id = %s AND token = %s"


@dataclass(frozen=True, slots=True)
class Claim:
    """That this worker holds a run, until it is taken up by another."""

    run_id: UUID
    token: int


def work(*, seconds: float = SLICE.total_seconds()) -> bool:
    """Take up a run that is due and work on it for so long. Whether there was one."""
    claim = take_up()
    if claim is None:
        return False
    until = time.monotonic() + seconds
    while step(claim):
        if time.monotonic() > until:
            break
    release(claim)
    return True


def take_up() -> Claim | None:
    """The next run that nobody holds, now held by this worker; None when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": settings.RUN_LEASE})
        row = cursor.fetchone()
    return Claim(*row) if row else None


def release(claim: Claim) -> None:
    """Let the next worker take the run up at once."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [claim.run_id, claim.token])


def step(claim: Claim) -> bool:
    """Deal with the next batch. Whether there is more to do, and it is still ours to do."""
    try:
        with transaction.atomic():
            run = _held(claim)
            if run is None:
                return False
            _deal(run)
            _renew(run)
            return run.state in _UNDER_WAY
    except InterfaceError:
        raise  # the connection is gone, and with it all that was tried: the lease runs out
    except Exception as error:  # noqa: BLE001 (whatever is wrong with a target must not stop the others)
        _stumble(claim, error)
        return True


_UNDER_WAY = (Run.State.PREVIEWING, Run.State.RUNNING)


def _held(claim: Claim) -> Run | None:
    """The run, locked, if it is still ours and to be worked on."""
    with connection.cursor() as cursor:
        # A worker that stands still in the middle lets go of every lock with its lease.
        limit = f"{settings.RUN_LEASE * 1000}ms"
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [limit]
        )
    return (
        Run.objects.select_for_update(no_key=True)
        .filter(pk=claim.run_id, token=claim.token, state__in=_UNDER_WAY)
        .first()
    )


def _deal(run: Run) -> None:
    """One batch of a run that is held, or its end."""
    now = time_now()
    began = time.monotonic()
    actor = people.acting(run.owner_id, now=now) if run.owner_id is not None else None
    if actor is None:
        return _halt(run, _("Whoever started this may not act any more."), now)
    try:
        doing = deed(run, actor=actor)
    except (PermissionDenied, OperationRefused) as refusal:
        return _halt(run, str(refusal), now)
    if doing.approved and run.cursor == 0 and not approving.is_what_was_approved(run):
        return _halt(run, approving.what_changed(), now)
    batch = targets.next_batch(run.pk, cursor=run.cursor, size=_size(run))
    with circumstances.under(run.request_id, run.ip):
        if _alone_and_fatal(run):
            receipts = _set_aside(run, batch, _("Workers stopped at this user, twice."))
        elif run.state == Run.State.PREVIEWING:
            receipts = _foresee(run, doing, batch, actor, now)
        else:
            try:
                receipts = _carry_on(run, doing, batch, actor, now)
            except OperationRefused as refusal:  # over a cap: the batches before stay done
                return _halt(run, str(refusal), now)
    _account_for(run, receipts, now=now, seconds=time.monotonic() - began)
    return None


def _size(run: Run) -> int:
    """How many to take: fewer after each time that a worker died on them."""
    return _size_after(run, run.stalls)


def _size_after(run: Run, deaths: int) -> int:
    size: int = run.batch // _SMALLER**deaths
    return max(1, size)


def _alone_and_fatal(run: Run) -> bool:
    """Whether workers died as often as they may on the next target and no other."""
    return run.stalls >= _DEATHS and _size_after(run, run.stalls - _DEATHS) == 1


def _foresee(
    run: Run, doing: Deed, batch: Batch, actor: Actor, now: datetime
) -> list[TargetReceipt]:
    receipts = doing.foresee(batch, actor=actor, now=now)
    if doing.operation.needs_seen:
        targets.note_versions(run.pk, batch, [receipt.version for receipt in receipts])
    targets.leave_out(run.pk, batch, receipts)
    run.forecast = doing.grown(run.forecast, receipts, now=now)
    return receipts


def _carry_on(
    run: Run, doing: Deed, batch: Batch, actor: Actor, now: datetime
) -> list[TargetReceipt]:
    """Do it to a batch. Raises OperationRefused, after which nothing of it is done, over a cap, or
    where in all more would have moved than one person moves alone."""
    with transaction.atomic():
        receipts = doing.carry_on(batch, actor=actor, now=now)
        run.moved = forecasts.moved(run.moved, receipts)
        if why := approving.why_too_much(run, doing, actor=actor):
            raise OperationRefused(why)
    return receipts


def _account_for(
    run: Run, receipts: Sequence[TargetReceipt], *, now: datetime, seconds: float
) -> None:
    """How far the run is now, and how fast."""
    for receipt in receipts:
        name = receipt.outcome.name.lower()
        setattr(run, name, getattr(run, name) + 1)
        if receipt.refusal is not None:
            group = receipt.refusal.group
            run.refusals[group] = run.refusals.get(group, 0) + 1
    run.cursor += len(receipts)
    run.batch = min(CHUNK, _size(run) * _LARGER)
    run.stalls = 0
    speed = len(receipts) / max(seconds, 0.001)
    run.pace = speed if run.pace is None else 0.7 * run.pace + 0.3 * speed
    if run.cursor >= run.total:
        _finish(run, now)
    run.save()


def _finish(run: Run, now: datetime) -> None:
    if run.state == Run.State.PREVIEWING:
        run.state, run.previewed_at = Run.State.PREVIEWED, now
    else:
        run.state, run.finished_at = Run.State.DONE, now


def _halt(run: Run, why: str, now: datetime) -> None:
    run.state, run.why, run.finished_at = Run.State.HALTED, why, now
    run.save(update_fields=["state", "why", "finished_at"])


def _renew(run: Run) -> None:
    under_way = run.state in _UNDER_WAY
    with connection.cursor() as cursor:
        if under_way:
            cursor.execute(_RENEW, [settings.RUN_LEASE, run.pk])
        else:
            cursor.execute(_RELEASE, [run.pk, run.token])


def _stumble(claim: Claim, error: Exception) -> None:
    """After a batch that failed: a smaller one next; a single target is set aside."""
    if isinstance(error, OperationalError) and connection.connection is None:
        raise error
    _log.warning("run_batch_failed", run=str(claim.run_id), exc_info=error)
    with transaction.atomic():
        run = _held(claim)
        if run is None:
            return
        size = _size(run)
        if size == 1:
            batch = targets.next_batch(run.pk, cursor=run.cursor, size=1)
            receipts = _set_aside(run, batch, _sentence(error))
            _account_for(run, receipts, now=time_now(), seconds=1)
        else:
            run.batch, run.stalls = max(1, size // _SMALLER), 0
            run.save(update_fields=["batch", "stalls"])
        _renew(run)


def _set_aside(run: Run, batch: Batch, why: str) -> list[TargetReceipt]:
    """Leave out the one target of a batch."""
    [target] = batch.ids
    receipts = [TargetReceipt(target, "", Receipt.Outcome.FAILED)]
    if run.state == Run.State.RUNNING:
        record.set_aside(run.pk, target, why)
        return receipts
    targets.leave_out(run.pk, batch, receipts)
    if (operation := operation_of(run.code)) and operation.needs_seen:
        targets.note_versions(run.pk, batch, [None])
    return receipts


def _sentence(error: Exception) -> str:
    """What people read of an error that nobody foresaw."""
    kind: Any = type(error).__name__
    return _("An unexpected error (%(kind)s): nothing was changed for this user.") % {"kind": kind}
