"""One's own exports that are made in the background: how far they are, downloading, deleting."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from audit import export_files, record
from audit.export_files import ExportRefused, FileGone
from audit.models import ExportFile
from audit.panels import takes_no_parameters
from coai_admin.console import exports as files
from users import exports
from users.access import confirm_first, own_account, permission
from users.exporting import schedules, writing
from users.models import User
from users.requests import StaffRequest
from users.sessions.middleware import passive

WAITING = "exports_waiting"  # a cookie: a file of this browser's user is on its way
STOP_POLLING = 286  # htmx asks no more after it
_SHOWN = 100
_FILES = {each.extension: each for each in (files.CSV, files.XLSX)}
_MARKS = {
    ExportFile.State.WAITING: "wait",
    ExportFile.State.RUNNING: "wait",
    ExportFile.State.READY: "good",
    ExportFile.State.FAILED: "bad",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A file as its maker sees it. ``rate``: rows a second; ``left``: how long it will take yet;
    None while nobody can tell."""

    file: ExportFile
    now: datetime

    @property
    def state(self) -> str:
        """As it is at this moment: a late job keeps no file alive."""
        return ExportFile.State.EXPIRED if self._over else self.file.state

    @property
    def label(self) -> str:
        return str(ExportFile.State(self.state).label)

    @property
    def mark(self) -> str:
        return _MARKS.get(ExportFile.State(self.state), "none")

    @property
    def ready(self) -> bool:
        return self.state == ExportFile.State.READY

    @property
    def packing(self) -> bool:
        """Whether all rows are written and the file is being closed."""
        file = self.file
        writing = file.state == ExportFile.State.RUNNING
        return writing and bool(file.rows_total) and file.rows_done == file.rows_total

    @property
    def rate(self) -> int | None:
        began, rows = self.file.started_at, self.file.rows_done
        if self.file.state != ExportFile.State.RUNNING or began is None or not rows:
            return None
        return round(rows / max((self.now - began).total_seconds(), 0.1))

    @property
    def left(self) -> timedelta | None:
        total = self.file.rows_total
        if not self.rate or not total:
            return None
        return timedelta(seconds=max(1, round((total - self.file.rows_done) / self.rate)))

    @property
    def _over(self) -> bool:
        file = self.file
        ready = file.state == ExportFile.State.READY
        return ready and file.expires_at is not None and self.now >= file.expires_at


@permission(exports.DOWNLOAD)
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """One's own exports, and those that are made by schedule."""
    takes_no_parameters(request.GET)
    context = _listed(request) | {
        "schedules": list(schedules.of(request.user)),
        "zone": settings.TIME_ZONE,
    }
    return render(request, "users/exports/list.html", context)


@permission(exports.DOWNLOAD)
@passive
@require_safe
def rows(request: StaffRequest) -> HttpResponse:
    """The list of files alone, while one of them is on its way."""
    return render(request, "users/exports/_files.html", _listed(request))


def _listed(request: StaffRequest) -> dict[str, object]:
    now = time_now()
    lines = [Line(file, now) for file in export_files.files_of(request.user)[:_SHOWN]]
    return {"lines": lines, "busy": any(line.file.is_open for line in lines), "now": now}


@permission(exports.DOWNLOAD)
@require_safe
def show(request: StaffRequest, file_id: uuid.UUID) -> HttpResponse:
    """One export: how far it is, or the file."""
    line = _looked_at(request, file_id)
    return render(request, "users/exports/file.html", {"line": line, "now": line.now})


@permission(exports.DOWNLOAD)
@passive
@require_safe
def progress(request: StaffRequest, file_id: uuid.UUID) -> HttpResponse:
    """The part of ``show`` that changes while the file is written."""
    line = _looked_at(request, file_id)
    return render(request, "users/exports/_file.html", {"line": line, "now": line.now})


def _looked_at(request: StaffRequest, file_id: uuid.UUID) -> Line:
    line = Line(own(request.user, file_id), time_now())
    export_files.note_seen(line.file, now=line.now)
    return line


@own_account
@passive
@require_safe
def news(request: StaffRequest) -> HttpResponse:
    """Banners for what became ready or failed since the last page, wherever its maker is by now.
    Pages ask as long as the cookie is there, which goes when nothing is on its way."""
    with transaction.atomic():
        told = export_files.tell(request.user, now=time_now())
    waits = any(file.is_open for file in export_files.files_of(request.user)[:_SHOWN])
    response = render(request, "users/exports/_news.html", {"told": told})
    if not waits:
        response.status_code = STOP_POLLING
        response.delete_cookie(WAITING)
    return response


def own(viewer: User, file_id: uuid.UUID) -> ExportFile:
    """One's own file. Another's does not exist."""
    file = export_files.files_of(viewer).filter(pk=file_id).first()
    if file is None:
        raise Http404
    return file


@permission(exports.DOWNLOAD)
@require_GET
def download(request: StaffRequest, file_id: uuid.UUID) -> HttpResponseBase:
    """The file, to its maker alone, who must still be allowed to export it; on the record. One with
    whole addresses asks them to confirm that it is them."""
    file, now = own(request.user, file_id), time_now()
    if not request.user.may(exports.MASKED if file.masked else exports.WHOLE):
        raise PermissionDenied(_("Your role does not allow this export any more."))
    if why := exports.why_over_cap(request.user, file.rows_done, whole=not file.masked):
        raise PermissionDenied(why)
    back = reverse("exports:file", args=[file.pk])
    if not file.masked and (ask := confirm_first(request, exports.WHOLE, back=back)):
        return ask
    try:
        content = export_files.open_ready(file, now=now)
    except FileGone as gone:
        messages.warning(request, str(gone))
        return redirect(back)
    facts = {"export": file.pk, "rows": file.rows_done, "masked": file.masked}
    with transaction.atomic():
        record.entry("exports.download", actor=request.user, now=now, changes=facts)
        export_files.note_download(file, now=now)
    assert file.finished_at is not None
    name = files.name_of("users", file.pk, now=file.finished_at, extension=file.file_type)
    kind = _FILES[file.file_type].content_type
    return FileResponse(content, as_attachment=True, filename=name, content_type=kind)


@permission(exports.DOWNLOAD)
@require_POST
def cancel(request: StaffRequest, file_id: uuid.UUID) -> HttpResponse:
    """Stop a file that waits or is being written."""
    file = own(request.user, file_id)
    if export_files.cancel(file, now=time_now()):
        messages.success(request, _("The export is cancelled. Nothing of it is kept."))
    else:
        messages.info(request, _("The export was over already."))
    return redirect("exports:file", file.pk)


@permission(exports.DOWNLOAD)
@require_POST
def delete(request: StaffRequest, file_id: uuid.UUID) -> HttpResponse:
    """Delete a file before its time."""
    file = own(request.user, file_id)
    if export_files.delete(file):
        messages.success(request, _("The export is deleted, with its file."))
        return redirect("exports:list")
    messages.warning(request, _("The export is being written. Cancel it first."))
    return redirect("exports:file", file.pk)


@permission(exports.DOWNLOAD)
@require_POST
def again(request: StaffRequest, file_id: uuid.UUID) -> HttpResponse:
    """Have the same export made anew."""
    file = own(request.user, file_id)
    back = reverse("exports:file", args=[file.pk])
    if not file.masked and (ask := confirm_first(request, exports.WHOLE, back=back)):
        return ask
    try:
        made = writing.ask_again(file, actor=request.user, now=time_now())
    except ExportRefused as refused:
        messages.error(request, str(refused))
        return redirect(back)
    return on_its_way(request, made)


def on_its_way(request: StaffRequest, file: ExportFile) -> HttpResponse:
    """Lead to a file that was asked for; the pages after it say when it is ready."""
    response = redirect("exports:file", file.pk)
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(WAITING, "1", httponly=True, samesite="Lax", secure=secure)
    return response
