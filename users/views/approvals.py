"""Approvals: what waits for a second person, and deciding it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit.execution import OperationRefused
from audit.models import Approval
from audit.panels import takes_no_parameters
from audit.runs import steering
from coai_admin.console.filters import BadParameter
from users import approvals
from users.access import permission, will_ask
from users.kept_forms import kept_form
from users.requests import StaffRequest

_LONGEST_NOTE = 500
_TABS = {
    "waiting": gettext_lazy("For you to decide"),
    "asked": gettext_lazy("Asked by you"),
    "others": gettext_lazy("For others"),
    "over": gettext_lazy("Over"),
}


@permission(approvals.DECIDE, asks="to act")
@require_safe
def queue(request: StaffRequest) -> HttpResponse:
    """What waits for this person, what they asked for, what waits for others, what is over."""
    unknown = next((name for name in request.GET if name != "show"), None)
    if unknown is not None:
        raise BadParameter(_("There is no filter named “%(name)s”.") % {"name": unknown[:40]})
    shown = request.GET.get("show", "waiting")
    if shown not in _TABS:
        raise BadParameter(_("“%(name)s” cannot be shown.") % {"name": shown[:40]})
    now = time_now()
    found = dict(zip(_TABS, approvals.waiting(request.user, now), strict=False))
    lines = found[shown] if shown in found else approvals.over(request.user, now)
    tabs = [
        {
            "label": label,
            "url": f"?show={name}",
            "current": name == shown,
            "count": len(found[name]) if name in found else "",
        }
        for name, label in _TABS.items()
    ]
    context = {"tabs": tabs, "lines": lines, "shown": shown}
    return render(request, "approvals/list.html", context)


@permission(approvals.DECIDE, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: StaffRequest, act_id: uuid.UUID) -> HttpResponse:
    """All of what was asked for; approving, refusing, and taking back what one asked oneself."""
    try:
        if request.method == "POST":
            return _decide(request, act_id)
        takes_no_parameters(request.GET)
        return _show(request, act_id)
    except Approval.DoesNotExist as error:
        raise Http404 from error


def _show(request: StaffRequest, act_id: uuid.UUID, **more: Any) -> HttpResponse:
    asked = approvals.request(act_id, request.user, time_now())
    kept = kept_form(request)
    context = {
        "asked": asked,
        "approval": asked.approval,
        "run": asked.approval.run,
        "note": kept.get("note", "") if kept else "",
        "will_ask": will_ask(request, approvals.DECIDE),
        **more,
    }
    return render(request, "approvals/one.html", context, status=422 if more else 200)


def _decide(request: StaffRequest, act_id: uuid.UUID) -> HttpResponse:
    note = request.POST.get("note", "").strip()[:_LONGEST_NOTE]
    decision = request.POST.get("decision", "")
    try:
        if decision == "withdraw":
            Approval.objects.only("pk").get(run_id=act_id)
            steering.discard(act_id, actor=request.user, now=time_now())
            approvals.shelf.forget()
            messages.success(request, _("Withdrawn; nothing was changed."))
        elif decision in ("approve", "refuse"):
            approve = decision == "approve"
            approvals.decide(act_id, approve=approve, actor=request.user, now=time_now(), note=note)
            done = _("Approved; it starts now.") if approve else _("Refused; nothing was changed.")
            messages.success(request, done)
        else:
            raise BadRequest(_("“decision” is not one of approve, refuse, withdraw."))
    except OperationRefused as refusal:
        return _show(request, act_id, refusal=str(refusal), note=note)
    return redirect("approvals:one", act_id)
