"""What people do with runs: prepare one from a selection, confirm it, pause, go on, cancel, try
those again whom it refused, and take its results."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit import operations
from audit.approval_policy import RUN
from audit.execution import OperationRefused
from audit.forms import CONTROL_FIELDS, OperationForm
from audit.models import Run, Selection
from audit.operations import Operation
from audit.people import Actor
from audit.runs import drafting, steering
from coai_admin.console import exports as files
from users.access import confirm_first, permission
from users.kept_forms import kept_form
from users.requests import StaffRequest
from users.runs.pictures import Picture
from users.runs.results import Results
from users.views.runs import confirm_form, show, visible

_WHY = ("reason", "ticket")  # written when the run is confirmed
_TURNS: dict[str, Callable[..., Run]] = {
    steering.PAUSE: steering.pause,
    steering.RESUME: steering.resume,
    steering.CANCEL: steering.cancel,
}


def prepare(
    request: StaffRequest, operation: Operation, selection: Selection, count: int
) -> HttpResponse:
    """The form of an operation on more users than are changed at once; sent, it becomes a run that
    is counted first."""
    operations.require_run(operation, actor=request.user)
    now = time_now()
    data = request.POST if request.method == "POST" else kept_form(request)
    form = operation.form(data, now=now, auto_id="id_%s", initial=request.GET.dict())
    for name in _WHY:
        del form.fields[name]
    if request.method == "POST" and form.is_valid():
        try:
            run = _draft(request.POST, operation, selection, actor=request.user, now=now)
        except OperationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("runs:detail", run.pk)
    return _form_page(request, operation, selection, count, form)


def _draft(
    data: QueryDict, operation: Operation, selection: Selection, *, actor: Actor, now: datetime
) -> Run:
    parameters = {
        name: values for name, values in data.lists() if name not in {*CONTROL_FIELDS, *_WHY}
    }
    # Sent twice it is one run; sent again from the browser's history with other words, another.
    meant = repr((sorted(parameters.items()), selection.pk, selection.version))
    run_id = uuid.uuid5(_act_id(data), meant)
    return drafting.draft(operation, selection, parameters, actor=actor, now=now, run_id=run_id)


def _act_id(data: QueryDict) -> uuid.UUID:
    try:
        return uuid.UUID(data.get("act", ""))
    except ValueError as error:
        raise BadRequest(_("“act” is not an id.")) from error


def _form_page(
    request: StaffRequest,
    operation: Operation,
    selection: Selection,
    count: int,
    form: OperationForm,
) -> HttpResponse:
    context = {
        "operation": operation,
        "form": form,
        "count": count,
        "act": uuid.uuid4() if request.method != "POST" else request.POST.get("act"),
        "back": f"{reverse('users:list')}?selection={selection.pk}",
    }
    return render(request, "runs/draft.html", context, status=422 if form.errors else 200)


@permission(RUN, asks="never")
@require_POST
def confirm(request: StaffRequest, run_id: uuid.UUID) -> HttpResponse:
    """Start a run that was counted, once whoever prepared it wrote why and confirmed who they
    are."""
    run = visible(request, run_id)
    if run.owner_id != request.user.pk:
        raise PermissionDenied(_("Only who prepared it can confirm it."))
    here = reverse("runs:detail", args=[run.pk])
    picture = Picture(run, request.user, time_now())
    if not picture.may_confirm:
        return _unless_begun(request, run, picture.why_not[steering.CONFIRM])
    form = confirm_form(request, picture)
    if not form.is_valid():
        return show(request, run, form)
    if ask := confirm_first(request, *picture.permissions(), back=here):
        return ask
    why = {name: form.cleaned_data[name] for name in _WHY}
    try:
        steering.confirm(run.pk, actor=request.user, now=picture.now, **why)
    except OperationRefused as refusal:
        return _unless_begun(request, visible(request, run_id), str(refusal))
    return redirect(here)


def _unless_begun(request: StaffRequest, run: Run, why: str) -> HttpResponse:
    """Say why it was not started; nothing where it was, by a click just before this one."""
    if run.started_at is None and run.state != Run.State.WAITING:
        messages.error(request, why, extra_tags="bad")
    return redirect("runs:detail", run.pk)


@permission(steering.CANCEL_ANY, asks="never")
@require_POST
def turn(request: StaffRequest, run_id: uuid.UUID, what: str) -> HttpResponse:
    """Pause a run, let it go on, cancel it. Who does it to a colleague's run confirms that it is
    them."""
    run = visible(request, run_id)
    here = reverse("runs:detail", args=[run.pk])
    now = time_now()
    if why := steering.why_not(what, run, actor=request.user, now=now):
        messages.error(request, why, extra_tags="bad")
        return redirect(here)
    if ask := confirm_first(request, *_asks(request, run, what), back=here):
        return ask
    try:
        _TURNS[what](run.pk, actor=request.user, now=now)
    except OperationRefused as refusal:
        messages.error(request, str(refusal), extra_tags="bad")
    return redirect(here)


def _asks(request: StaffRequest, run: Run, what: str) -> Sequence[str]:
    """Under which permissions it is done: of one's own run none, but beginning it again is as
    confirming it."""
    if run.owner_id != request.user.pk:
        return [steering.CANCEL_ANY]
    if what == steering.RESUME and run.state != Run.State.PAUSED:
        return Picture(run, request.user, time_now()).permissions()
    return []


@permission(RUN, asks="never")
@require_POST
def retry(request: StaffRequest, run_id: uuid.UUID) -> HttpResponse:
    """Prepare a run on those whom this one refused."""
    run = visible(request, run_id)
    try:
        again = drafting.draft_retry(
            run,
            actor=request.user,
            now=time_now(),
            run_id=uuid.uuid5(run.pk, f"retried by {request.user.pk}"),
        )
    except OperationRefused as refusal:
        messages.error(request, str(refusal), extra_tags="bad")
        return redirect("runs:detail", run.pk)
    return redirect("runs:detail", again.pk)


@permission("exports.download")
@require_POST
def results(request: StaffRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """What the run did to each user, as CSV."""
    run = visible(request, run_id)
    picture = Picture(run, request.user, time_now())
    if not picture.own:
        raise PermissionDenied(_("Results are downloaded by whoever ran it."))
    if picture.act is None or not picture.over:
        raise BadRequest(_("This run is not over yet."))
    taken = Results(picture.act, request.user)
    taken.begin(picture.now)
    name = f"run-{run.number}"
    return files.response(
        name, taken.blocks(), finished=taken.finished, now=picture.now, export=taken.id
    )
