"""Exporting the user table, or a selection of it, as CSV or Excel."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit.export_files import ExportRefused
from audit.selection import NoSelection
from coai_admin.console import counts
from coai_admin.console import exports as files
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Reading
from users import exports
from users.access import confirm_first, permission
from users.exporting import writing
from users.kept_forms import kept_form
from users.requests import StaffRequest
from users.table.rows import UserRow
from users.views.export_files import on_its_way
from users.views.users import address_of, arranged, selection_in

_NOW, _LATER = "file", "later"  # names of the buttons
_FILES = {each.extension: each for each in (files.CSV, files.XLSX)}


class ExportForm(forms.Form):
    """Which columns the file has; whether addresses leave the house whole, and why."""

    columns = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Columns"),
        choices=[("shown", gettext_lazy("As on screen")), ("all", gettext_lazy("All"))],
        initial="shown",
        widget=forms.RadioSelect,
    )

    whole = forms.BooleanField(
        required=False,
        label=gettext_lazy("With whole email addresses"),
        help_text=gettext_lazy("Otherwise they are masked, as in a•••@e•••.com."),
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Needed for whole addresses; it stands in the audit log."),
        widget=forms.TextInput,
    )

    def clean(self) -> None:
        if self.cleaned_data.get("whole") and not self.cleaned_data.get("reason"):
            self.add_error("reason", _("Write why the addresses are needed."))


@permission(exports.MASKED)
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: StaffRequest) -> HttpResponseBase:
    """What will be in the file; then the file, streamed, or the page of one that is made in the
    background. A selection that is gone leads back to the table, which says so."""
    try:
        return _export(request)
    except NoSelection as lost:
        messages.warning(request, str(lost))
        return redirect(address_of(request.GET.urlencode(), None))


def _export(request: StaffRequest) -> HttpResponseBase:
    chosen = selection_in(request.GET)
    reading, _arrangement = arranged(request, _asked(request, chosen))
    form = ExportForm(request.POST if request.method == "POST" else kept_form(request))
    if not request.user.may(exports.WHOLE):
        del form.fields["whole"], form.fields["reason"]
    _button(request)
    if form.is_valid() and request.method == "POST":
        whole = form.cleaned_data.get("whole", False)
        here = request.get_full_path()
        if whole and (ask := confirm_first(request, exports.WHOLE, back=here)):
            return ask
        try:
            return _made(request, reading, chosen, form)
        except ExportRefused as refusal:
            form.add_error(None, str(refusal))
    return _page(request, reading, form)


def _made(
    request: StaffRequest, reading: Reading[UserRow], chosen: uuid.UUID | None, form: ExportForm
) -> HttpResponseBase:
    """The download; or, where that was asked for or an Excel file is too large to wait for, the
    page of a file that is made in the background. Raises ExportRefused and NoSelection."""
    way, file_type = _button(request)
    wanted: dict[str, Any] = {
        "chosen": chosen,
        "whole": form.cleaned_data.get("whole", False),
        "reason": form.cleaned_data.get("reason", ""),
        "file_type": file_type,
        "shown": form.cleaned_data["columns"] == "shown",
    }
    if way == _LATER or (
        file_type is files.XLSX
        and exports.more_than(exports.ROWS_OF_A_WORKBOOK, exports.rows_of(reading, chosen))
    ):
        return on_its_way(request, writing.ask(reading, **wanted))
    export = exports.begin(reading, **wanted)
    return files.response(
        "users",
        export.blocks(),
        finished=export.finished,
        now=reading.now,
        file_type=file_type,
        export=export.id,
    )


def _asked(request: StaffRequest, chosen: uuid.UUID | None) -> QueryDict:
    """What the list is asked for; of a selection nothing but how it looks."""
    asked = request.GET.copy()
    for name in [*asked] if chosen else ["selection"]:
        if name not in {"view", "columns"}:
            asked.pop(name, None)
    return asked


def _button(request: StaffRequest) -> tuple[str, files.FileType]:
    """Which button was pressed: now or later, and which kind of file. Raises BadParameter."""
    way = _LATER if _LATER in request.POST else _NOW
    wanted = request.POST.get(way, files.CSV.extension)
    if wanted not in _FILES:
        raise BadParameter(_("“%(name)s” can only be “csv” or “xlsx”.") % {"name": way})
    return way, _FILES[wanted]


def _page(request: StaffRequest, reading: Reading[UserRow], form: ExportForm) -> HttpResponse:
    chosen = selection_in(request.GET)
    count = counts.exact(exports.rows_of(reading, chosen))
    context = {
        "form": form,
        "reading": reading,
        "selected": chosen is not None,
        "count": count,
        "fits_workbook": count.number <= exports.ROWS_OF_A_WORKBOOK,
        "columns": files.fields(reading, masked=True),
        "left": exports.left_today(request.user, reading.now),
        "left_whole": _left_whole(request, form, reading),
        "asked": _asked(request, None).urlencode(),
        "back": address_of(request.GET.urlencode(), chosen),
    }
    return render(request, "users/export.html", context, status=422 if form.errors else 200)


def _left_whole(request: StaffRequest, form: ExportForm, reading: Reading[UserRow]) -> int | None:
    """How many rows with whole addresses are left today, where only these are limited."""
    if "whole" not in form.fields or request.user.role in exports.ROWS_A_DAY:
        return None
    return exports.left_today(request.user, reading.now, whole=True)
