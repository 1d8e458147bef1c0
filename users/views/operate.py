"""The page of an operation: its form, the preview, and doing it; for one user and for a
selection."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Func
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit import operations
from audit.execution import AlreadyPerformed, ApprovalNeeded, OperationRefused
from audit.forms import CONTROL_FIELDS
from audit.models import Act, Selection
from audit.operations import Operation
from audit.procedures import Receipts
from audit.registry import operations as registered
from audit.runs import asking
from users import approvals
from users.access import confirm_first, permission, permission_named_by, will_ask
from users.kept_forms import kept_form
from users.models import User
from users.requests import StaffRequest
from users.views.acts import announce, in_the_row, the_list
from users.views.attempts import Attempt, fingerprint_of
from users.views.run_steps import prepare


@permission("users.browse")
@require_safe
def menu(request: StaffRequest, user_id: int) -> HttpResponse:
    """What may be done to one user: the quick-action menu, or a page of it."""
    target = get_object_or_404(User, pk=user_id)
    items = operations.menus(
        list(registered().values()), [target.pk], actor=request.user, now=time_now()
    )[target.pk]
    template = "users/_acts_menu.html" if request.htmx else "users/acts_menu.html"
    listed = request.GET.get("list")
    context = {
        "target": target,
        "items": items,
        "in_row": _from_the_table(request),
        "way_back": "" if listed is None else f"?{urlencode({'list': listed})}",
        "back": reverse("user", args=[target.pk]) if listed is None else the_list(listed),
    }
    return render(request, template, context)


def _from_the_table(request: StaffRequest) -> bool:
    try:
        return urlsplit(request.htmx.current_url or "").path == reverse("users:list")
    except ValueError:  # not an address, whatever it says
        return False


@permission_named_by("code")
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: StaffRequest, user_id: int, code: str) -> HttpResponse:
    """An operation on one user."""
    operation = _permitted(request, code)
    target = get_object_or_404(User, pk=user_id)
    attempt = _attempt(request, operation, [target.pk])
    attempt.target = target
    return _respond(request, attempt)


@permission("audit.preview_many")
@require_http_methods(["GET", "HEAD", "POST"])
def many(request: StaffRequest, selection_id: uuid.UUID, code: str) -> HttpResponse:
    """An operation on a selection of one's own."""
    operation = _permitted(request, code)
    selection, count = _own_selection(request, selection_id)
    if operation.many and count > operations.MOST_AT_ONCE:
        return prepare(request, operation, selection, count)
    attempt = _attempt(request, operation, selection.ids if operation.many else ())
    attempt.selection = selection
    attempt.refused = "" if operation.many else _("This is done to one user at a time.")
    if not count:
        attempt.refused = _("Nobody is selected. Go back and tick some users.")
    return _respond(request, attempt)


def _own_selection(request: StaffRequest, selection_id: uuid.UUID) -> tuple[Selection, int]:
    """A selection and how many are in it. A million ids stay in the database; few are read together
    with their version. Raises Http404."""
    own = Selection.objects.filter(owner=request.user, expires_at__gt=time_now()).defer("ids")
    sized = own.annotate(size=Func("ids", function="cardinality"))
    selection: Any = get_object_or_404(sized, pk=selection_id)
    if selection.size > operations.MOST_AT_ONCE:
        return selection, selection.size
    selection.refresh_from_db()
    return selection, len(selection.ids)


def _permitted(request: StaffRequest, code: str) -> Operation:
    operation = registered().get(code)
    if operation is None:
        raise Http404(_("There is no act “%(code)s”.") % {"code": code})
    if not request.user.may(code):
        raise PermissionDenied(_("Your role does not allow this."))
    return operation


def _attempt(request: StaffRequest, operation: Operation, ids: Sequence[int]) -> Attempt:
    now = time_now()
    data = request.POST if request.method == "POST" else kept_form(request)
    # A link may fill the form in: /admin/users/42/users.lift_restriction/?reason_code=spam
    form = operation.form(data, now=now, auto_id="id_%s", initial=request.GET.dict())
    listed = (request.GET if data is None else data).get("list")
    return Attempt(operation, ids, now, form, act_id=_act_id(data), listed=listed)


def _act_id(data: QueryDict | None) -> uuid.UUID:
    if not data or not data.get("act"):
        return uuid.uuid4()
    try:
        return uuid.UUID(str(data["act"]))
    except ValueError as error:
        raise BadRequest(_("“act” is not an id.")) from error


def _respond(request: StaffRequest, attempt: Attempt) -> HttpResponse:
    if request.method != "POST":
        _greet(request, attempt)
    # What was kept while one signed in, or confirmed who one is, is previewed again at once.
    if attempt.form.is_bound and not attempt.refused:
        if attempt.form.is_valid() and _confirmed(request, attempt):
            ask = confirm_first(request, *_permissions(attempt), back=attempt.url)
            return ask or _perform(request, attempt)
        if set(attempt.form.errors) <= {"reason", "ticket"}:
            _preview(request, attempt)
    return _show(request, attempt)


def _permissions(attempt: Attempt) -> list[str]:
    """Under which permissions the act would be done, as far as it is known what it would do."""
    known = attempt.form.is_bound and set(attempt.form.errors) <= {"reason", "ticket"}
    if not known:
        return [attempt.operation.code]
    return attempt.operation.permissions(attempt.form.params, attempt.ids, attempt.now)


def _greet(request: StaffRequest, attempt: Attempt) -> None:
    """Say at once what stands in the way of acting on this one user."""
    if attempt.target is None:
        return
    items = operations.menus(
        [attempt.operation], [attempt.target.pk], actor=request.user, now=attempt.now
    )
    attempt.refused = items[attempt.target.pk][0].refusal


def _confirmed(request: StaffRequest, attempt: Attempt) -> bool:
    alone = request.POST.get("step") != "ask"
    return request.POST.get("step") in ("confirm", "ask") and request.POST.get(
        "previewed"
    ) == fingerprint_of(attempt.form.data, attempt.selection, alone=alone)


def _preview(request: StaffRequest, attempt: Attempt) -> None:
    if Act.objects.filter(pk=attempt.deed_id).exists():
        # The page came back from the browser's history: what it shows now is another act.
        attempt.act_id = uuid.uuid4()
    try:
        attempt.receipts = operations.preview(
            attempt.operation,
            attempt.ids,
            attempt.form.params,
            actor=request.user,
            now=attempt.now,
        )
    except OperationRefused as refusal:
        attempt.form.add_error(None, str(refusal))


def _perform(request: StaffRequest, attempt: Attempt) -> HttpResponse:
    if request.POST.get("step") == "ask":
        return _ask(request, attempt)
    try:
        receipts = operations.perform(
            attempt.operation,
            attempt.ids,
            attempt.form.params,
            actor=request.user,
            now=attempt.now,
            reason=attempt.form.cleaned_data["reason"],
            ticket=attempt.form.cleaned_data["ticket"],
            seen=_seen(request.POST.get("seen", "")),
            act_id=attempt.deed_id,
        )
    except ApprovalNeeded:  # since it was previewed
        _preview(request, attempt)
        return _show(request, attempt)
    except OperationRefused as refusal:
        attempt.form.add_error(None, str(refusal))
        return _show(request, attempt)
    except AlreadyPerformed as earlier:
        return redirect("operate:act", earlier.act_id)
    if receipts.act_id is None:
        attempt.receipts = receipts
        return _show(request, attempt)
    return _finished(request, attempt, receipts)


def _ask(request: StaffRequest, attempt: Attempt) -> HttpResponse:
    """Ask a second person to let it be done."""
    sent = request.POST
    data = {name: sent.getlist(name) for name in sent if name not in CONTROL_FIELDS}
    try:
        run = asking.ask_for(
            attempt.operation,
            attempt.ids,
            data,
            actor=request.user,
            now=attempt.now,
            reason=attempt.form.cleaned_data["reason"],
            ticket=attempt.form.cleaned_data["ticket"],
            seen=_seen(request.POST.get("seen", "")),
            run_id=_request_id(attempt, data),
        )
    except OperationRefused as refusal:
        attempt.form.add_error(None, str(refusal))
        return _show(request, attempt)
    approvals.shelf.forget()
    text = _("Waiting for approval by a second person; nothing has been changed yet.")
    if request.htmx and attempt.target is not None:
        back = reverse("user", args=[attempt.target.pk])
        context = {"kind": "info", "text": text, "asked": run.pk, "back": back}
        return render(request, "users/_operated.html", context)
    messages.info(request, text)
    return redirect("approvals:one", run.pk)


def _request_id(attempt: Attempt, data: Mapping[str, Sequence[str]]) -> uuid.UUID:
    """Sent twice it is one request; with other words, sent from the browser's history, another."""
    return uuid.uuid5(attempt.act_id, repr((sorted(data.items()), sorted(attempt.ids))))


def _seen(text: str) -> dict[int, int] | None:
    if not text:
        return None
    try:
        return {int(pk): int(version) for pk, version in (pair.split(":") for pair in text.split())}
    except ValueError as error:
        raise BadRequest(_("“seen” is not a list of versions.")) from error


def _finished(request: StaffRequest, attempt: Attempt, receipts: Receipts) -> HttpResponse:
    text = attempt.operation.done(attempt.form.params, len(receipts.changed))
    assert receipts.act_id is not None
    if request.htmx and attempt.target is not None:
        undo = attempt.operation.inverse is not None
        return in_the_row(request, attempt.target.pk, text, receipts.act_id, undo=undo)
    if attempt.selection is not None:
        messages.success(request, text, extra_tags="good")
        return redirect("operate:act", receipts.act_id)
    undo = attempt.operation.inverse is not None
    announce(request, text, receipts.act_id, undo=undo, listed=attempt.listed)
    return redirect(attempt.back)


def _show(request: StaffRequest, attempt: Attempt) -> HttpResponse:
    if not request.htmx:
        template = "users/operate.html"
    elif request.POST.get("step") == "look":
        template = "users/_operate_preview.html"
    else:
        template = "users/_operate_row.html"
    looking = request.POST.get("step") == "look"
    context = {
        "attempt": attempt,
        "form": attempt.form,
        "amiss": attempt.amiss if looking else [],
        "in_row": bool(request.htmx),
        "will_ask": will_ask(request, *_permissions(attempt)),
    }
    return render(request, template, context)
