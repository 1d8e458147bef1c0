"""Importing users from a file: choose it, say what its columns hold, look at what would happen,
import, follow it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from audit import selection
from audit.execution import OperationRefused
from audit.models import Run
from audit.runs import steering
from coai_admin.console.exports import response
from coai_admin.console.files import takes_file
from users.access import confirm_first, permission, will_ask
from users.kept_forms import kept_form
from users.models import Upload, User
from users.requests import StaffRequest
from users.runs.forms import ConfirmRunForm
from users.runs.pictures import Picture as RunPicture
from users.sessions.middleware import passive
from users.uploads import receiving, results, steps
from users.uploads.forms import FileForm, MappingForm
from users.uploads.operations import CODE, IMPORT
from users.uploads.pictures import Picture, standing, undos
from users.uploads.reader.bounds import MOST_BYTES
from users.uploads.reading import FileRefused

SELECT, SEND_LINK = "audit.preview_many", "users.send_password_link"
_LISTED, _SAMPLE = 50, 5


@takes_file(MOST_BYTES)
@permission(CODE, asks="never")
@require_http_methods(["GET", "HEAD", "POST"])
def uploads(request: StaffRequest) -> HttpResponse:
    """The files of the last thirty days, and the form for another. Nothing is changed by an upload:
    who must confirm that it is them does so when the import is confirmed."""
    form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            upload = receiving.receive(file, owner=request.user, now=time_now())
        except FileRefused as refusal:
            form.add_error("file", str(refusal))
        else:
            return redirect("uploads:detail", upload.pk)
    listed = Upload.objects.select_related("run").order_by("-created_at", "-pk")[:_LISTED]
    undo = undos(listed)
    rows = [(each, standing(each, undo.get(each.pk))) for each in listed]
    context = {"form": form, "rows": rows}
    return render(request, "users/uploads/list.html", context, status=422 if form.is_bound else 200)


@permission(CODE, asks="never")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, upload_id: int) -> HttpResponse:
    """One import at its present step, and the steps themselves."""
    upload = _upload(upload_id)
    if request.method == "POST":
        return _step(request, upload)
    return _page(request, upload)


@passive
@permission(CODE, asks="never")
@require_safe
def state(request: StaffRequest, upload_id: int) -> HttpResponse:
    """The part of the page that moves. Once it stands still, the page is loaded anew."""
    upload = _upload(upload_id)
    if not standing(upload).moves:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "users/uploads/_progress.html", _facts(request, upload))


@permission(CODE, asks="never")
@require_GET
def rows(request: StaffRequest, upload_id: int) -> HttpResponseBase:
    """Every row with its number in the file, and what became of it or would."""
    upload, now = _upload(upload_id), time_now()
    if upload.owner_id != request.user.pk:
        raise PermissionDenied(_("Results are downloaded by whoever uploaded the file."))
    taken = results.Rows(upload, request.user)
    taken.begin(now)
    name = f"import-{upload.pk}"
    return response(name, taken.blocks(now), finished=taken.finished, now=now, export=taken.id)


def _upload(upload_id: int) -> Upload:
    return get_object_or_404(Upload.objects.select_related("run", "owner"), pk=upload_id)


# The page


def _page(
    request: StaffRequest,
    upload: Upload,
    *,
    mapping: MappingForm | None = None,
    why: ConfirmRunForm | None = None,
) -> HttpResponse:
    context = _facts(request, upload)
    if upload.state == Upload.State.UPLOADED and context["may_map"]:
        context["mapping"] = mapping or MappingForm(upload=upload, actor=request.user)
        context["columns"] = _columns(context["mapping"], upload)
    if context["may_confirm"]:
        context["form"] = why or _confirm_form(request, upload, kept_form(request))
        context["will_ask"] = will_ask(request, *_permissions(upload, time_now()))
    bound = (mapping or why) is not None
    return render(request, "users/uploads/detail.html", context, status=422 if bound else 200)


def _facts(request: StaffRequest, upload: Upload) -> dict[str, Any]:
    run, now, user = upload.run, time_now(), request.user
    picture = Picture(upload, user)
    at = standing(upload, picture.undo)
    context: dict[str, Any] = {
        "upload": upload,
        "picture": picture,
        "run": run,
        "standing": at,
        "own": upload.owner_id == user.pk,
        "may_map": steps.may_map(upload, user),
        "may_begin_again": steps.may_begin_again(upload, user) and steps.may_map(upload, user),
        "may_discard": steps.may_discard(upload, user),
        "may_confirm": run is not None
        and not steering.why_not(steering.CONFIRM, run, actor=user, now=now),
    }
    for what in (steering.PAUSE, steering.RESUME, steering.CANCEL):
        context[f"may_{what}"] = (
            run is not None
            and run.started_at is not None
            and not steering.why_not(what, run, actor=user, now=now)
        )
    if at.moves and run is not None:
        context["left"] = _left(run)
    context["may_mail"] = not at.moves and picture.made and not picture.undo and _may_mail(user)
    return context


def _left(run: Run) -> timedelta | None:
    """How long it will still take at this pace."""
    return timedelta(seconds=round((run.total - run.cursor) / run.pace)) if run.pace else None


def _columns(form: MappingForm, upload: Upload) -> list[tuple[Any, list[str]]]:
    """Each column's field, with what stands in the first rows."""
    sample = [row[1:] for row in upload.sample[:_SAMPLE]]
    return [
        (field, [_shown(row[place]) if place < len(row) else "" for row in sample])
        for place, field in enumerate(form.of_columns)
    ]


def _shown(cell: Any) -> str:
    """A cell of the sample: text, a number's digits, or a sign that it holds no value."""
    if isinstance(cell, dict):
        return "#"
    return cell if isinstance(cell, str) else "".join(cell)


# The steps


def _step(request: StaffRequest, upload: Upload) -> HttpResponse:
    wanted = request.POST.get("step", "")
    step = _STEPS.get(wanted)
    if step is None:
        raise BadRequest(_("“step” can only be one of: %s.") % ", ".join(_STEPS))
    try:
        return step(request, upload)
    except OperationRefused as refusal:
        messages.error(request, str(refusal), extra_tags="bad")
        return redirect("uploads:detail", upload.pk)


def _map(request: StaffRequest, upload: Upload) -> HttpResponse:
    if not steps.may_map(upload, request.user):
        raise OperationRefused(_("This file is read already, or is a colleague's."))
    form = MappingForm(request.POST, upload=upload, actor=request.user)
    if not form.is_valid():
        return _page(request, upload, mapping=form)
    steps.map_columns(upload, form.columns, form.options, actor=request.user)
    return redirect("uploads:detail", upload.pk)


def _begin_again(request: StaffRequest, upload: Upload) -> HttpResponse:
    steps.begin_again(upload, actor=request.user, now=time_now())
    return redirect("uploads:detail", upload.pk)


def _discard(request: StaffRequest, upload: Upload) -> HttpResponse:
    steps.discard(upload, actor=request.user, now=time_now())
    messages.success(request, _("The file is discarded. Nothing of it is kept."))
    return redirect("uploads:list")


def _confirm(request: StaffRequest, upload: Upload) -> HttpResponse:
    run, now = _run(upload), time_now()
    if why := steering.why_not(steering.CONFIRM, run, actor=request.user, now=now):
        raise OperationRefused(why)
    form = _confirm_form(request, upload, request.POST)
    if not form.is_valid():
        return _page(request, upload, why=form)
    needed = _permissions(upload, now)
    if not all(map(request.user.may, needed)):
        raise PermissionDenied(_("Your role does not allow this."))
    here = reverse("uploads:detail", args=[upload.pk])
    if ask := confirm_first(request, *needed, back=here):
        return ask
    said = {name: form.cleaned_data[name] for name in ("reason", "ticket")}
    steering.confirm(run.pk, actor=request.user, now=now, **said)
    return redirect("uploads:detail", upload.pk)


def _may_mail(user: User) -> bool:
    return user.may(SELECT) and user.may(SEND_LINK)


def _mail(request: StaffRequest, upload: Upload) -> HttpResponse:
    """Select those it made, and lead to the act that mails them a link to choose a password."""
    if not _may_mail(request.user):
        raise PermissionDenied(_("Your role does not allow this."))
    if not results.made(upload).exists():
        raise OperationRefused(_("This import made nobody."))
    kept = selection.freeze(
        uuid.uuid4(), results.made(upload), query="", owner=request.user, now=time_now()
    )
    return redirect("operate:many", kept.id, SEND_LINK)


def _confirm_form(request: StaffRequest, upload: Upload, data: Any) -> ConfirmRunForm:
    run = _run(upload)
    grave = RunPicture(run, request.user, time_now()).grave
    return ConfirmRunForm(data, number=run.changed if grave else None, reason_needed=True)


def _permissions(upload: Upload, now: datetime) -> list[str]:
    """Under which permissions this import is done."""
    total = upload.run.total if upload.run else 0
    return IMPORT.permissions({"upload": upload.pk}, range(total), now)


def _steer(
    turn: Callable[..., Run],
) -> Callable[[StaffRequest, Upload], HttpResponse]:
    def step(request: StaffRequest, upload: Upload) -> HttpResponse:
        own = upload.owner_id == request.user.pk
        if not own and (ask := confirm_first(request, steering.CANCEL_ANY)):
            return ask
        turn(_run(upload).pk, actor=request.user, now=time_now())
        return redirect("uploads:detail", upload.pk)

    return step


def _run(upload: Upload) -> Run:
    if upload.run is None:
        raise OperationRefused(_("There is nothing to import yet."))
    return upload.run


_STEPS: dict[str, Callable[[StaffRequest, Upload], HttpResponse]] = {
    "map": _map,
    "again": _begin_again,
    "discard": _discard,
    "confirm": _confirm,
    "mail": _mail,
    "pause": _steer(steering.pause),
    "resume": _steer(steering.resume),
    "cancel": _steer(steering.cancel),
}
