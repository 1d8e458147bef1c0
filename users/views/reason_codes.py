"""Reason codes: why accounts are restricted, what the user then reads, for how long as a rule."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from audit import edits
from users.access import permission
from users.configuration_forms import NewReasonCodeForm, ReasonCodeForm
from users.kept_forms import kept_form
from users.models import ReasonCode, Restriction
from users.requests import StaffRequest
from users.views.configuration import Affected, edit_row

EDIT = "users.edit_reason_codes"
_NAMES = ("label", "public_text", "default_days", "appealable", "active", "position")


@permission("users.inspect")
@require_safe
def reason_codes(request: StaffRequest) -> HttpResponse:
    """All codes in the order in which they are offered, with how often each was used."""
    now = time_now()
    live = Restriction.objects.live(now).order_by().values_list("reason")
    used = Restriction.objects.order_by().values_list("reason")
    all_of, live_of = (dict(rows.annotate(number=Count("pk"))) for rows in (used, live))
    codes = ReasonCode.objects.order_by("-active", "position", "code")
    rows = [(code, all_of.get(code.pk, 0), live_of.get(code.pk, 0)) for code in codes]
    return render(
        request,
        "users/configuration/reason_codes.html",
        {"rows": rows, "may_edit": request.user.may(EDIT)},
    )


@permission(EDIT, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def reason_code(request: StaffRequest, code: str) -> HttpResponse:
    """Change a code's texts, its usual duration, and whether it is offered."""
    row = get_object_or_404(ReasonCode, pk=code)
    return edit_row(
        request,
        row,
        _NAMES,
        ReasonCodeForm,
        action=EDIT,
        title=_("Reason: %(label)s") % {"label": row.label},
        section=_("Reason codes"),
        back=reverse("reason_codes:list"),
        affects=partial(_affected, row),
    )


def _affected(row: ReasonCode, changes: edits.Changes, now: datetime) -> list[Affected]:
    counted = Restriction.objects.filter(reason=row).aggregate(
        total=Count("pk"),
        live=Count(
            "pk",
            filter=Q(lifted_at=None, starts_at__lte=now) & (Q(ends_at=None) | Q(ends_at__gt=now)),
        ),
    )
    used = ngettext("It was used %(n)s time", "It was used %(n)s times", counted["total"])
    text = _("%(used)s; %(live)s restrictions hold for it now.") % {
        "used": used % {"n": f"{counted['total']:,}"},
        "live": f"{counted['live']:,}",
    }
    affected = [Affected(text)]
    if "label" in changes:
        affected.append(Affected(_("Its new name is shown for past restrictions, too.")))
    if changes.keys() & {"public_text", "default_days"}:
        affected.append(
            Affected(
                _("Texts and ends of restrictions that were imposed already stay as they are.")
            )
        )
    return affected


@permission(EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def new_reason_code(request: StaffRequest) -> HttpResponse:
    """Make a code."""
    sent = request.method == "POST"
    form = NewReasonCodeForm(request.POST if sent else kept_form(request))
    if sent and form.is_valid():
        row = ReasonCode(**form.values)
        try:
            edits.add(
                row,
                list(_NAMES),
                action=EDIT,
                actor=request.user,
                now=time_now(),
                reason=form.cleaned_data["reason"],
            )
        except IntegrityError:
            form.add_error("code", _("This code exists already."))
        else:
            messages.success(request, _("Made: %(label)s.") % {"label": row.label})
            return redirect("reason_codes:list")
    context = {"form": form, "back": reverse("reason_codes:list")}
    status = 422 if sent else 200
    return render(request, "users/configuration/new_reason_code.html", context, status=status)
