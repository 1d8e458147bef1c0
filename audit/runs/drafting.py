"""Making a run: its targets are frozen, then a worker counts what it would do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.translation import gettext as _

from audit import frozen, operations
from audit.execution import OperationRefused
from audit.models import Act, Receipt, Run, Selection
from audit.operations import Operation
from audit.people import Actor
from audit.registry import operation_of
from audit.runs import targets
from coai_admin.console import circumstances

LIFE = timedelta(hours=24)
_ENDED = (Run.State.CANCELLED, Run.State.HALTED)
_AGAIN = (Receipt.Outcome.REFUSED, Receipt.Outcome.FAILED)
Form = Mapping[str, Sequence[str]]


def draft(
    operation: Operation,
    selection: Selection,
    data: Form,
    *,
    actor: Actor,
    now: datetime,
    run_id: uuid.UUID | None = None,
) -> Run:
    """A run of ``operation`` on all that are selected now. ``data``: the operation's form, name by
    name, as it was sent; what it means is decided now. ``run_id``: chosen when the form was shown,
    so that sending it twice makes one run.

    Raises PermissionDenied and OperationRefused.
    """
    return _draft(
        operation,
        lambda run: targets.freeze_selection(run, selection.pk),
        Run(
            pk=run_id or uuid.uuid4(),
            params=_params(operation, data, now=now),
            query=selection.query,
        ),
        actor=actor,
        now=now,
    )


def draft_for(
    operation: Operation,
    ids: Sequence[int],
    data: Form,
    *,
    actor: Actor,
    now: datetime,
    run_id: uuid.UUID | None = None,
) -> Run:
    """A run on these users: what a single act becomes when somebody else must approve it."""
    return _draft(
        operation,
        lambda run: targets.freeze_ids(run, ids),
        Run(pk=run_id or uuid.uuid4(), params=_params(operation, data, now=now)),
        actor=actor,
        now=now,
    )


def draft_undo(act: Act, *, actor: Actor, now: datetime, run_id: uuid.UUID | None = None) -> Run:
    """A run that undoes an act for everybody whom it changed and who was not changed since.

    Raises OperationRefused where the act cannot be undone by this actor.
    """
    act = Act.objects.select_related("actor").get(pk=act.pk)  # as it is now
    operation = operation_of(act.code)
    why = operations.why_not_undo(operation, act, actor=actor, now=now)
    if why := why or operations.why_not_undo_yet(act):
        raise OperationRefused(why)
    assert operation is not None
    return _draft(
        operation,
        lambda run: targets.freeze_receipts(run, act.pk, [Receipt.Outcome.CHANGED]),
        Run(pk=run_id or uuid.uuid4(), undoes=act),
        actor=actor,
        now=now,
    )


def draft_retry(run: Run, *, actor: Actor, now: datetime, run_id: uuid.UUID | None = None) -> Run:
    """The same act once more, on those whom it refused or could not deal with.

    Raises OperationRefused where there are none, or the run is not over.
    """
    if run.state not in OVER:
        raise OperationRefused(_("This run is not over yet."))
    if not run.refused + run.failed or run.started_at is None:
        raise OperationRefused(_("Nobody was refused; there is nothing to do again."))
    if run.undoes_id is not None:
        raise OperationRefused(_("An undo is tried once."))
    if later := retry_of(run.pk):
        raise OperationRefused(
            _("Those were tried again already, by run %(number)s.") % {"number": later.number}
        )
    operation = operation_of(run.code)
    assert operation is not None
    return _draft(
        operation,
        lambda made: targets.freeze_receipts(made, run.pk, _AGAIN),
        Run(pk=run_id or uuid.uuid4(), params=run.params, query=run.query, retries_id=run.pk),
        actor=actor,
        now=now,
    )


def retry_of(run_id: uuid.UUID) -> Run | None:
    """The run that took up again whom this one refused, once it has begun; None where none did."""
    begun = Run.objects.filter(retries_id=run_id, started_at__isnull=False)
    return begun.only("pk", "number").first()


OVER = (Run.State.DONE, Run.State.CANCELLED, Run.State.HALTED)


def _is_over(run: Run, now: datetime) -> bool:
    late = run.state == Run.State.PREVIEWED and now >= run.expires_at
    return late or run.state in _ENDED


def _params(operation: Operation, data: Form, *, now: datetime) -> dict[str, Any]:
    """What was filled in, as it is kept. The reason is written later, when the run is confirmed."""
    sent = QueryDict(mutable=True)
    for name, values in data.items():
        sent.setlist(name, values)
    sent["reason"] = sent.get("reason") or "-"
    form = operation.form(sent, now=now)
    if not form.is_valid():
        [(name, errors), *_rest] = form.errors.items()
        raise OperationRefused(f"{name}: {errors[0]}")
    return frozen.freeze(form.params)


@transaction.atomic
def _draft(
    operation: Operation,
    freeze: Callable[[uuid.UUID], int],
    run: Run,
    *,
    actor: Actor,
    now: datetime,
) -> Run:
    operations.require_run(operation, actor=actor)
    if earlier := Run.objects.filter(pk=run.pk, owner=actor.pk).first():
        if not _is_over(earlier, now):
            return earlier
        run.pk = uuid.uuid4()  # sent again after it was cancelled, refused or late: meant anew
    run.code = operation.code
    run.owner_id, run.owner_name = actor.pk, actor.username
    run.request_id, run.ip = circumstances.request_id(), circumstances.ip()
    run.created_at, run.expires_at = now, now + LIFE
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError as error:  # sent twice, at the same moment
        if earlier := Run.objects.filter(pk=run.pk, owner=actor.pk).first():
            return earlier
        raise OperationRefused(_("This was sent before, by somebody else.")) from error
    run.total = freeze(run.pk)
    if not run.total:
        raise OperationRefused(_("Nobody is selected. Go back and tick some users."))
    if run.total > 1 and not operation.many:
        raise OperationRefused(_("This is done to one user at a time."))
    run.save(update_fields=["total"])
    return run
