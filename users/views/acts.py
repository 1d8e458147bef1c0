"""One performed act: what it did to whom, and its undo."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
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
from audit.execution import AlreadyPerformed, OperationRefused
from audit.models import Act, Receipt
from audit.registry import operations as registered
from users.access import confirm_first, permission
from users.models import User
from users.requests import StaffRequest

_ROWS = 200


def announce(
    request: StaffRequest, text: str, act_id: uuid.UUID, *, undo: bool, kind: str = "good"
) -> None:
    """Leave a result banner for the next page: what was done, a link to it, and Undo where there
    is one."""
    parts = {
        "text": text,
        "link": reverse("operate:act", args=[act_id]),
        "link_label": _("What was done"),
    }
    if undo:
        parts["undo"] = reverse("operate:undo", args=[act_id])
    messages.success(request, json.dumps(parts), extra_tags=f"{kind} parts")


@permission("audit.inspect")
@require_safe
def detail(request: StaffRequest, act_id: uuid.UUID) -> HttpResponse:
    """What an act did, target by target; refused ones with the reason."""
    act = _visible(request, act_id)
    operation = registered().get(act.code)
    outcome = request.GET.get("outcome", "")
    receipts = act.receipts.order_by("target_id")
    if outcome in {choice.name.lower() for choice in Receipt.Outcome}:
        receipts = receipts.filter(outcome=Receipt.Outcome[outcome.upper()])
    rows = list(receipts[:_ROWS])
    shown = [row.target_id for row in rows]
    names = User.objects.in_bulk(shown)
    changes = reports.of_act(act, shown, request.user)
    context = {
        "act": act,
        "operation": operation,
        "rows": [(row, names.get(row.target_id), changes.get(row.target_id)) for row in rows],
        "more": max(0, receipts.count() - _ROWS),
        "outcome": outcome,
        "reasons": _refusals(act),
        "why_not_undo": operations.why_not_undo(operation, act, actor=request.user, now=time_now()),
        "undone_by": Act.objects.filter(undoes=act).first(),
    }
    return render(request, "users/act.html", context)


def _refusals(act: Act) -> Iterable[Mapping[str, Any]]:
    return (
        act.receipts.filter(outcome=Receipt.Outcome.REFUSED)
        .values("refusal")
        .annotate(number=Count("target_id"))
        .order_by("-number", "refusal")[:20]
    )


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
    operation = registered().get(act.code)
    if operation is None or not request.user.may(act.code):
        raise PermissionDenied(_("Your role does not allow this."))
    many = ["audit.act_on_many"] if act.changed > 1 else []
    here = reverse("operate:act", args=[act.pk])
    if ask := confirm_first(request, act.code, *many, back=here):
        return ask
    try:
        receipts = operations.undo(
            operation,
            act,
            actor=request.user,
            now=time_now(),
            reason=request.POST.get("reason", "")[:500] or _("Undo"),
        )
    except (OperationRefused, AlreadyPerformed) as refusal:
        messages.error(request, str(refusal), extra_tags="bad")
        return redirect("operate:act", act.pk)
    if receipts.act_id is None:
        reasons = " ".join(receipts.refused_by_reason)
        messages.error(request, _("Nothing was undone. %s") % reasons, extra_tags="bad")
        return redirect("operate:act", act.pk)
    text = _("Undone for %(n)s.") % {"n": len(receipts.changed)}
    if receipts.refused:
        text += " " + _("%(n)s changed since and were left alone.") % {"n": len(receipts.refused)}
    announce(request, text, receipts.act_id, undo=False)
    if len(receipts.rows) == 1:
        return redirect("user", receipts.rows[0].target_id)
    return redirect("operate:act", receipts.act_id)
