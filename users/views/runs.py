"""Runs: the list of them, and one of them through its whole life."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now as time_now
from django.views.decorators.http import require_safe

from audit import reports
from audit.models import Run
from audit.panels import takes_no_parameters
from audit.runs import seeing
from audit.runs.listing import RUNS
from coai_admin.console.listing import WrongFilter
from users.access import permission, will_ask
from users.kept_forms import kept_form
from users.requests import StaffRequest
from users.runs.forms import ConfirmRunForm
from users.runs.lines import RunLine, at_hand
from users.runs.pictures import Picture
from users.sessions.middleware import passive


@permission(reports.INSPECT)
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """The runs that this person may look at, the newest first."""
    now = time_now()
    try:
        reading = RUNS.read(request.GET, viewer=request.user, now=now)
    except WrongFilter as wrong:
        context = {"reading": wrong.reading, "wrong": str(wrong)}
        return render(request, "runs/list.html", context, status=400)
    page = reading.page()
    context = {
        "reading": reading,
        "page": page,
        "rows": [RunLine(listed.run) for listed in page.rows],
        "only_own": request.user.sees_only_own(reports.INSPECT),
    }
    return render(request, "runs/list.html", context)


@permission(reports.INSPECT)
@passive
@require_safe
def now(request: StaffRequest) -> HttpResponse:
    """What the home page shows of runs: those under way, and one's own that wait for a word."""
    takes_no_parameters(request.GET)
    return render(request, "runs/_now.html", {"runs": at_hand(request.user, time_now())})


@permission(reports.INSPECT)
@require_safe
def detail(request: StaffRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run: counting, to be confirmed, under way, over."""
    takes_no_parameters(request.GET)
    return show(request, visible(request, run_id))


def visible(request: StaffRequest, run_id: uuid.UUID) -> Run:
    """The run, for those who may look at it. Raises Http404."""
    found: Run = get_object_or_404(
        seeing.visible(request.user).select_related("undoes__actor"), pk=run_id
    )
    return found


def show(request: StaffRequest, run: Run, form: ConfirmRunForm | None = None) -> HttpResponse:
    """The page of a run; with a ``form`` that is not right yet."""
    picture = Picture(run, request.user, time_now())
    return render(
        request,
        "runs/run.html",
        _context(request, picture, form),
        status=422 if form is not None and form.errors else 200,
    )


def _context(
    request: StaffRequest, picture: Picture, form: ConfirmRunForm | None
) -> dict[str, Any]:
    confirming = picture.may_confirm
    return {
        "run": picture.run,
        "picture": picture,
        "form": (form or confirm_form(request, picture)) if confirming else None,
        "will_ask": confirming and will_ask(request, *picture.permissions()),
    }


def confirm_form(request: HttpRequest, picture: Picture) -> ConfirmRunForm:
    """The form that confirms a run; with what was typed before somebody confirmed who they are."""
    data = request.POST if request.method == "POST" else kept_form(request)
    number = picture.run.changed if picture.grave else None
    return ConfirmRunForm(data, number=number, reason_needed=picture.reason_needed, auto_id="id_%s")


@permission(reports.INSPECT)
@passive
@require_safe
def progress(request: StaffRequest, run_id: uuid.UUID) -> HttpResponse:
    """How far a run is: the bar; or all of its page's part, once its state is another than the one
    that is ``shown``."""
    run = visible(request, run_id)
    picture = Picture(run, request.user, time_now())
    if request.GET.get("shown") == run.state and picture.moves:
        return render(request, "runs/_progress.html", {"run": run, "picture": picture})
    if request.GET.get("shown") == run.state:
        return HttpResponse(status=204)
    context = _context(request, picture, None) | {"alone": True}
    response = render(request, "runs/_run.html", context)
    response.headers["HX-Retarget"] = "#run"
    response.headers["HX-Reswap"] = "outerHTML"
    return response
