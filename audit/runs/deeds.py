"""What a run does to a batch: the act itself, or the inverse of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import QueryDict
from django.utils.translation import gettext as _

from audit import execution, operations
from audit.execution import OperationRefused
from audit.forms import OperationForm
from audit.models import Receipt, Run
from audit.operations import Operation
from audit.people import Actor
from audit.procedures import ActContext, Procedure, TargetReceipt
from audit.registry import operation_of
from audit.runs.targets import Batch


@dataclass(frozen=True, slots=True)
class Deed:
    """What a run does, whoever it is done to."""

    run: Run
    operation: Operation
    procedure: Procedure
    params: Mapping[str, Any]

    def foresee(self, batch: Batch, *, actor: Actor, now: datetime) -> list[TargetReceipt]:
        """What would happen to a batch. Locks and writes nothing."""
        judged = execution.judge(
            self.procedure,
            batch.ids,
            self._context(batch, actor, now),
            guards=self.operation.guards,
            seen=None,
            lock=False,
        )
        return [each.receipt for each in judged]

    def carry_on(self, batch: Batch, *, actor: Actor, now: datetime) -> list[TargetReceipt]:
        """Do it to a batch, in the caller's transaction."""
        return execution.carry_on(
            self.procedure,
            batch.ids,
            self._context(batch, actor, now),
            guards=self.operation.guards,
            seen=batch.seen,
        )

    def context(self, *, actor: Actor, now: datetime) -> ActContext:
        """The act as it is recorded."""
        return ActContext(
            code=self.procedure.code,
            actor=actor,
            now=now,
            reason=self.run.reason,
            ticket=self.run.ticket,
            params=self.params,
            undoes=self.run.undoes_id,
            id=self.run.pk,
        )

    def _context(self, batch: Batch, actor: Actor, now: datetime) -> ActContext:
        context = self.context(actor=actor, now=now)
        if self.run.undoes_id is None:
            return context
        receipts = Receipt.objects.filter(act=self.run.undoes_id, target_id__in=batch.ids)
        undo = dict(receipts.values_list("target_id", "undo"))
        return ActContext(
            code=context.code,
            actor=actor,
            now=now,
            reason=context.reason,
            ticket=context.ticket,
            params={**self.params, "receipts": undo},
            undoes=context.undoes,
            id=context.id,
        )


def deed(run: Run, *, actor: Actor) -> Deed:
    """What ``run`` does, as long as its owner may still do it.

    Raises PermissionDenied (the role) and OperationRefused (the act, or what was filled in, is not
    possible any more) with the sentence that people read.
    """
    operation = operation_of(run.code)
    if operation is None:
        raise OperationRefused(_("There is no act “%(code)s” any more.") % {"code": run.code})
    if not actor.may(run.code) or (run.total > 1 and not actor.may(operations.ON_MANY)):
        raise PermissionDenied(_("Your role does not allow this."))
    if run.undoes_id is not None:
        if operation.inverse is None:
            raise OperationRefused(_("This act has no undo."))
        return Deed(run, operation, operation.inverse, {"act": run.undoes_id})
    filled_in = form(run)
    if not filled_in.is_valid():
        [(name, errors), *_rest] = filled_in.errors.items()
        raise OperationRefused(f"{name}: {errors[0]}")
    return Deed(run, operation, operation.procedure, filled_in.params)


def form(run: Run) -> OperationForm:
    """The form of a run as it was sent, judged at the moment it was: "in 3 days" counts from
    then."""
    data = QueryDict(mutable=True)
    for name, values in run.data.items():
        data.setlist(name, values)
    # The reason may be written later, when the run is confirmed.
    data.setdefault("reason", run.reason or "-")
    operation = operation_of(run.code)
    assert operation is not None
    return operation.form(data, now=run.created_at)
