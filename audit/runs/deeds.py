"""What a run does to a batch: the act itself, or the inverse of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from audit import execution, frozen, operations
from audit.execution import OperationRefused
from audit.models import Approval, Receipt, Run
from audit.operations import Operation
from audit.people import Actor
from audit.procedures import ActContext, Procedure, TargetReceipt
from audit.registry import operation_of
from audit.runs import forecasts
from audit.runs.targets import Batch


@dataclass(frozen=True, slots=True)
class Deed:
    """What a run does, whoever it is done to. ``approved``: by a second person."""

    run: Run
    operation: Operation
    procedure: Procedure
    params: Mapping[str, Any]
    approved: bool = False

    def foresee(self, batch: Batch, *, actor: Actor, now: datetime) -> list[TargetReceipt]:
        """What would happen to a batch, once it is approved where it must be. Locks and writes
        nothing."""
        judged = execution.judge(
            self.procedure,
            batch.ids,
            replace(self._context(batch, actor, now), approved=True),
            guards=self.operation.guards,
            seen=None,
            lock=False,
        )
        return [each.receipt for each in judged]

    def grown(
        self,
        forecast: Mapping[str, Any] | None,
        receipts: Sequence[TargetReceipt],
        *,
        now: datetime,
    ) -> dict[str, Any]:
        """``forecast`` with what ``foresee`` said of another batch."""
        changed = Receipt.Outcome.CHANGED
        ids = [receipt.target_id for receipt in receipts if receipt.outcome == changed]
        undoing = self.run.undoes_id is not None
        codes = () if undoing else self.operation.permissions(self.params, ids, now)
        personal = self.procedure.personal
        return forecasts.grown(forecast, receipts, codes=codes, personal=personal)

    def carry_on(self, batch: Batch, *, actor: Actor, now: datetime) -> list[TargetReceipt]:
        """Do it to a batch, in the caller's transaction. Raises OperationRefused over a cap."""
        return execution.carry_on(
            self.procedure,
            batch.ids,
            self._context(batch, actor, now),
            guards=self.operation.guards,
            cap=self.operation.cap if self.run.undoes_id is None else None,
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
            approved=self.approved,
        )

    def _context(self, batch: Batch, actor: Actor, now: datetime) -> ActContext:
        context = self.context(actor=actor, now=now)
        if self.run.undoes_id is None:
            return context
        receipts = Receipt.objects.filter(act=self.run.undoes_id, target_id__in=batch.ids)
        undo = dict(receipts.values_list("target_id", "undo"))
        return replace(context, params={**self.params, "receipts": undo})


def deed(run: Run, *, actor: Actor) -> Deed:
    """What ``run`` does, as long as its owner may still do it.

    Raises PermissionDenied (the role) and OperationRefused (there is no such act any more) with the
    sentence that people read.
    """
    operation = operation_of(run.code)
    if operation is None:
        raise OperationRefused(_("There is no act “%(code)s” any more.") % {"code": run.code})
    if not actor.may(run.code) or (run.total > 1 and not actor.may(operations.ON_MANY)):
        raise PermissionDenied(_("Your role does not allow this."))
    if run.undoes_id is not None:
        if operation.inverse is None:
            raise OperationRefused(_("This act has no undo."))
        return Deed(run, operation, operation.inverse, {"act": run.undoes_id}, _is_approved(run))
    return Deed(run, operation, operation.procedure, frozen.thaw(run.params), _is_approved(run))


def _is_approved(run: Run) -> bool:
    return Approval.objects.filter(run=run, decision=Approval.Decision.APPROVED).exists()
