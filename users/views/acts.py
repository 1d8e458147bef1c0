"""One performed act: what it did to whom, and its undo."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit import operations, reports
from audit.approval_policy import RUN
from audit.execution import AlreadyPerformed, ApprovalNeeded, OperationRefused
from audit.models import Act, Approval, Receipt, Run
from audit.registry import operation_of
from audit.runs import asking, drafting
from users import approvals
from users.access import confirm_first, permission
from users.models import User
from users.requests import StaffRequest
from users.runs.lines import by_reason, how_far_undone

_ROWS = 200
_ROW_EVENT = "user-changed"


def the_list(query: str) -> str:
    """The user table as it was asked for."""
    return f"{reverse('users:list')}?{query}" if query else reverse("users:list")


def announce(
    request: StaffRequest,
    text: str,
    act_id: uuid.UUID,
    *,
    undo: bool,
    kind: str = "good",
    listed: str | None = None,
) -> None:
    """Leave a result banner for the next page: what was done, a link to it, and Undo where there
    is one, which leads back to the list ``listed``."""
    parts: dict[str, Any] = {
        "text": text,
        "link": reverse("operate:act", args=[act_id]),
        "link_label": _("What was done"),
    }
    if undo:
        parts["undo"] = reverse("operate:undo", args=[act_id])
    if listed is not None:
        parts["listed"] = [listed]
    messages.success(request, json.dumps(parts), extra_tags=f"{kind} parts")


@permission("audit.inspect")
@require_safe
def detail(request: StaffRequest, act_id: uuid.UUID) -> HttpResponse:
    """What an act did, target by target; refused ones with the reason."""
    if not Act.objects.filter(pk=act_id).exists() and Approval.objects.filter(run=act_id).exists():
        return redirect("approvals:one", act_id)  # the log names the act before there is one
    act = _visible(request, act_id)
    operation = operation_of(act.code)
    outcome = request.GET.get("outcome", "")
    receipts = act.receipts.order_by("target_id")
    if outcome in {choice.name.lower() for choice in Receipt.Outcome}:
        receipts = receipts.filter(outcome=Receipt.Outcome[outcome.upper()])
    rows = list(receipts[:_ROWS])
    shown = [row.target_id for row in rows]
    names = User.objects.in_bulk(shown)
    changes = reports.of_act(act, shown, request.user)
    undo = Act.objects.filter(undoes=act).first()
    run = Run.objects.filter(pk=act.pk).only("number", "state", "refusals").first()
    context = {
        "act": act,
        "operation": operation,
        "rows": [(row, names.get(row.target_id), changes.get(row.target_id)) for row in rows],
        "more": max(0, receipts.count() - _ROWS),
        "outcome": outcome,
        "reasons": _refusals(act, run),
        "run": run,
        "why_not_undo": operations.why_not_undo(operation, act, actor=request.user, now=time_now())
        or operations.why_not_undo_yet(act),
        "undone_by": undo,
        "undone": how_far_undone(act, undo) if undo else "",
    }
    return render(request, "users/act.html", context)


def _refusals(act: Act, run: Run | None) -> list[tuple[str, int]]:
    """How many were refused for which reason, the commonest first: in short, where a run did it."""
    if run is not None:
        return by_reason(run)
    refused = act.receipts.filter(outcome=Receipt.Outcome.REFUSED).values("refusal")
    counted = refused.annotate(number=Count("target_id")).order_by("-number", "refusal")
    return list(counted.values_list("refusal", "number")[:20])


def _visible(request: StaffRequest, act_id: uuid.UUID) -> Act:
    """Who sees only their own records sees only their own acts."""
    act = get_object_or_404(Act.objects.select_related("undoes", "actor"), pk=act_id)
    if request.user.sees_only_own("audit.inspect") and act.actor_id != request.user.pk:
        raise PermissionDenied(_("Your role sees only your own acts."))
    return act


@permission("audit.inspect")
@require_POST
def undo(request: StaffRequest, act_id: uuid.UUID) -> HttpResponse:
    """Undo an act over its receipts, and say how far that went."""
    act = _visible(request, act_id)
    operation = operation_of(act.code)
    if operation is None or not request.user.may(act.code):
        raise PermissionDenied(_("Your role does not allow this."))
    if _is_undone_by_a_run(request, act):
        return _undo_by_a_run(request, act)
    here = reverse("operate:act", args=[act.pk])
    if ask := confirm_first(request, *operation.permissions_to_undo(act, request.user), back=here):
        return ask
    try:
        receipts = operations.undo(
            operation,
            act,
            actor=request.user,
            now=time_now(),
            reason=request.POST.get("reason", "")[:500] or _("Undo"),
        )
    except ApprovalNeeded:
        return _ask_to_undo(request, act)
    except (OperationRefused, AlreadyPerformed) as refusal:
        return _not_undone(request, act, str(refusal))
    if receipts.act_id is None:
        reasons = " ".join(receipts.refused_by_reason)
        return _not_undone(request, act, _("Nothing was undone. %s") % reasons)
    text = _("Undone for %(n)s.") % {"n": len(receipts.changed)}
    if receipts.refused:
        text += " " + _("%(n)s changed since and were left alone.") % {"n": len(receipts.refused)}
    target = receipts.rows[0].target_id if len(receipts.rows) == 1 else None
    if request.htmx and target is not None:
        return in_the_row(request, target, text, receipts.act_id, undo=False)
    announce(request, text, receipts.act_id, undo=False)
    if (listed := request.POST.get("list")) is not None:
        return redirect(the_list(listed))
    if target is not None:
        return redirect("user", target)
    return redirect("operate:act", receipts.act_id)


def _ask_to_undo(request: StaffRequest, act: Act) -> HttpResponse:
    """Undoing takes two people where the act did."""
    try:
        run = asking.ask_to_undo(
            act,
            actor=request.user,
            now=time_now(),
            reason=request.POST.get("reason", "")[:500] or _("Undo"),
        )
    except OperationRefused as refusal:
        return _not_undone(request, act, str(refusal))
    approvals.shelf.forget()
    text = _("Waiting for approval by a second person; nothing has been undone yet.")
    if request.htmx:
        context = {"kind": "info", "text": text, "asked": run.pk, "back": reverse("users:list")}
        return render(request, "users/_operated.html", context)
    messages.info(request, text)
    return redirect("approvals:one", run.pk)


def _is_undone_by_a_run(request: StaffRequest, act: Act) -> bool:
    """Whether it is counted and confirmed first: what many are changed by, and what a run did."""
    by_a_run = request.user.may(RUN) and Run.objects.filter(pk=act.pk).exists()
    return operations.is_large(act.changed) or by_a_run


def _undo_by_a_run(request: StaffRequest, act: Act) -> HttpResponse:
    """An undo that is counted first, then confirmed on its own page, which asks who it is."""
    try:
        run = drafting.draft_undo(
            act,
            actor=request.user,
            now=time_now(),
            run_id=asking.id_of_undo(act, request.user),
        )
    except OperationRefused as refusal:
        return _not_undone(request, act, str(refusal))
    return redirect("runs:detail", run.pk)


def _not_undone(request: StaffRequest, act: Act, why: str) -> HttpResponse:
    """Say why where Undo was pressed: in the row, on the list, else on the page of the act."""
    changed = act.receipts.filter(outcome=Receipt.Outcome.CHANGED)
    if request.htmx and act.changed == 1:
        return in_the_row(request, changed.get().target_id, why, act.pk, undo=False, kind="bad")
    messages.error(request, why, extra_tags="bad")
    listed = request.POST.get("list")
    return redirect("operate:act", act.pk) if listed is None else redirect(the_list(listed))


def in_the_row(
    request: StaffRequest,
    target_id: int,
    text: str,
    act_id: uuid.UUID,
    *,
    undo: bool,
    kind: str = "good",
) -> HttpResponse:
    """The banner of what was done in the row of the table, which is drawn anew."""
    context = {
        "kind": kind,
        "text": text,
        "act": act_id,
        "undo": undo,
        "back": reverse("user", args=[target_id]),
    }
    response = render(request, "users/_operated.html", context)
    response.headers["HX-Trigger"] = json.dumps({_ROW_EVENT: {"id": target_id}})
    return response
