"""Exports that are made every day or week: making one of the list that is shown, pausing, deleting,
making it now."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audit.export_files import ExportRefused
from coai_admin.console.listing import Reading
from users import exports
from users.access import confirm_first, permission, will_ask
from users.exporting import schedules
from users.exporting.forms import LIST, VIEW, ScheduleForm
from users.exporting.schedules import ScheduleRefused
from users.kept_forms import kept_form
from users.models import ExportSchedule
from users.requests import StaffRequest
from users.table.rows import UserRow
from users.table.views import Arrangement, kept_of
from users.views.export_files import on_its_way
from users.views.users import arranged


@permission(exports.MASKED)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Have an export made by schedule: of the list that the query string shows, or of a view. With
    whole addresses it asks whoever does that to confirm that it is them."""
    reading, arrangement = arranged(request, request.GET)
    form = _form(request, reading, arrangement)
    if request.method == "POST" and form.is_valid():
        whole = form.cleaned_data.get("whole")
        here = request.get_full_path()
        if whole and (ask := confirm_first(request, exports.WHOLE, back=here)):
            return ask
        try:
            schedule = schedules.keep(request.user, form.plan(), now=reading.now)
        except ScheduleRefused as refused:
            form.add_error("name", str(refused))
        else:
            text = _("“%(name)s” is made from now on.") % {"name": schedule.name}
            messages.success(request, text)
            return redirect("exports:list")
    context = {
        "form": form,
        "asks": "whole" in form.fields and will_ask(request, exports.WHOLE),
    }
    return render(
        request, "users/exports/schedule.html", context, status=422 if form.errors else 200
    )


def _form(
    request: StaffRequest, reading: Reading[UserRow], arrangement: Arrangement
) -> ScheduleForm:
    chips = [f"{chip.label}: {chip.value}" for chip, _link in reading.chips()]
    seen = ", ".join(chips) or _("All users")
    usual: dict[str, Any] = {
        "what": f"{VIEW}{arrangement.open.pk}" if arrangement.open else LIST,
        "every": ExportSchedule.Every.DAY,
        "hour": 6,
        "columns": "shown",
        "file_type": "csv",
    }
    return ScheduleForm(
        request.POST if request.method == "POST" else kept_form(request),
        initial=usual,
        owner=request.user,
        views=arrangement.views,
        query=kept_of(reading.query),
        columns=[column.name for column, _sight in reading.shown],
        asked=_("This list (%(asked)s)") % {"asked": seen},
    )


@permission(exports.MASKED)
@require_POST
def pause(request: StaffRequest, schedule_id: int) -> HttpResponse:
    """Make it no more until it goes on."""
    schedule = _own(request, schedule_id)
    schedules.pause(schedule, now=time_now())
    messages.success(request, _("“%(name)s” is paused.") % {"name": schedule.name})
    return redirect("exports:list")


@permission(exports.MASKED)
@require_POST
def go_on(request: StaffRequest, schedule_id: int) -> HttpResponse:
    """Make it again by itself. One with whole addresses asks to confirm."""
    schedule = _own(request, schedule_id)
    if not schedule.masked and (ask := confirm_first(request, exports.WHOLE)):
        return ask
    schedules.go_on(schedule, now=time_now())
    messages.success(request, _("“%(name)s” goes on.") % {"name": schedule.name})
    return redirect("exports:list")


@permission(exports.MASKED)
@require_POST
def make_now(request: StaffRequest, schedule_id: int) -> HttpResponse:
    """Make it once more, beside its hours."""
    schedule = _own(request, schedule_id)
    if not schedule.masked and (ask := confirm_first(request, exports.WHOLE)):
        return ask
    try:
        file = schedules.make_now(schedule, now=time_now())
    except ExportRefused as refused:
        messages.error(request, str(refused))
        return redirect("exports:list")
    return on_its_way(request, file)


@permission(exports.MASKED)
@require_POST
def delete(request: StaffRequest, schedule_id: int) -> HttpResponse:
    """Delete it; files that it made stay."""
    schedule = _own(request, schedule_id)
    schedules.delete(schedule, now=time_now())
    text = _("“%(name)s” is deleted; files that it made stay.") % {"name": schedule.name}
    messages.success(request, text)
    return redirect("exports:list")


def _own(request: StaffRequest, schedule_id: int) -> ExportSchedule:
    schedule = schedules.of(request.user).filter(pk=schedule_id).first()
    if schedule is None:
        raise Http404
    return schedule
