"""Operations: what there is, doing one, previewing it, what it did, and undoing it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from audit import operations
from audit.forms import OperationForm
from audit.models import Act
from audit.operations import Operation
from audit.procedures import Receipts, TargetReceipt
from audit.registry import operation_of
from audit.registry import operations as registered
from audit.reports import INSPECT
from billing.idempotency import IdempotencyConflict, digest, once
from coai_admin.console.masks import HIDDEN, masked_email
from users.access import Access
from users.api import bodies
from users.api.base import ApiView, answer, plain, require
from users.api.docs import IDEMPOTENCY_KEY, Doc
from users.api.problems import Problem, mistake, wrong_body
from users.api.schemas import listed, named, thing
from users.api.throttles import caller as name_of
from users.models import User
from users.sign_in.step_up import needs_step_up

MANY = "audit.act_on_many"
MONEY = "billing."
_HEADER = "Idempotency-Key"
_LONGEST_KEY = 255


class Catalogue(ApiView):
    """The operations that the caller may do, each with the schema of its body."""

    access = Access("api")
    doc = Doc(
        name="list_operations",
        tag="Operations",
        summary="What the caller may do",
        answer=thing({"results": listed(named("Operation"))}),
    )

    def get(self, request: Request) -> HttpResponse:
        found = [one for code, one in registered().items() if self.caller.may(code)]
        return answer({"results": [self._line(operation) for operation in found]})

    def _line(self, operation: Operation) -> dict[str, Any]:
        form = operation.form(now=self.now)
        caller = self.caller
        return {
            "code": operation.code,
            "label": str(operation.label),
            "many": operation.many and caller.may(MANY),
            "step_up": isinstance(caller, User) and needs_step_up(caller.role, operation.code),
            "undo": operation.inverse is not None,
            "idempotency_key_required": operation.code.startswith(MONEY),
            "body": bodies.of_operation(operation, form),
        }


class OperationView(ApiView):
    """What previewing and doing share: the body, judged."""

    access = Access("api", argument="code")

    def read(
        self, code: str, *, previewing: bool = False
    ) -> tuple[Operation, list[int], OperationForm, dict[int, int] | None]:
        """The operation, whom it is for, its form, and the versions seen. Raises Problem."""
        operation, body = registered()[code], self.body()
        blank = operation.form(now=self.now)
        schema = bodies.of_operation(operation, blank, previewing=previewing)
        if wrong := list(bodies.mistakes(schema, body)):
            raise wrong_body(wrong)
        ids, seen = body.pop("users"), body.pop("seen", None)
        if len(ids) > 1:
            require(self.caller, MANY)
        form = operation.form(body, now=self.now)
        if not form.is_valid():
            raise wrong_body(_mistakes(form))
        return operation, ids, form, seen and {int(pk): seen[pk] for pk in seen}


class Preview(OperationView):
    """What an operation would do now. Nothing is locked or written."""

    doc = Doc(
        name="preview",
        tag="Operations",
        summary="(preview)",
        text="Nothing is locked or written. The versions in its receipts may be sent as `seen`.",
        answer=named("Outcome"),
    )

    def post(self, request: Request, code: str) -> HttpResponse:
        operation, ids, form, _seen = self.read(code, previewing=True)
        receipts = operations.preview(operation, ids, form.params, actor=self.caller, now=self.now)
        return answer(_outcome(self, operation, receipts))


class Perform(OperationView):
    """Doing an operation."""

    doc = Doc(
        name="perform",
        tag="Operations",
        summary="",
        text="All of it, with its record, stands or falls together. A user on whom it cannot be "
        "done is refused and spares the others. Where `seen` is required, and nobody is as they "
        "were seen, nothing is done: 409 `stale`.",
        answer=named("Outcome"),
        parameters=(IDEMPOTENCY_KEY,),
    )

    def post(self, request: Request, code: str) -> HttpResponse:
        self.step_up(code)
        key = _key(self, required=code.startswith(MONEY))
        operation, ids, form, seen = self.read(code)
        for needed in operation.permissions(form.params, ids, self.now):
            self.step_up(needed)

        def run() -> Receipts:
            receipts = operations.perform(
                operation,
                ids,
                form.params,
                actor=self.caller,
                now=self.now,
                reason=form.cleaned_data["reason"],
                ticket=form.cleaned_data["ticket"],
                seen=seen,
            )
            _looked_at_what_is(operation, receipts)
            return receipts

        return _once(self, key, lambda: _outcome(self, operation, run()))


class Undo(ApiView):
    """Undoing an act over its receipts; who changed since is refused, and listed."""

    access = Access("api")
    doc = Doc(
        name="undo",
        tag="Operations",
        summary="Undo an act",
        text="Within 30 days. Who changed since is refused.",
        answer=named("Outcome"),
        body=bodies.undo(),
        parameters=(IDEMPOTENCY_KEY,),
    )

    def post(self, request: Request, act_id: uuid.UUID) -> HttpResponse:
        act = visible(self, act_id)
        require(self.caller, act.code)
        operation = operation_of(act.code)
        assert operation is not None
        for needed in operation.permissions_to_undo(act, self.caller):
            self.step_up(needed)
        key = _key(self, required=act.code.startswith(MONEY))
        body = self.body()
        if wrong := list(bodies.mistakes(bodies.undo(), body)):
            raise wrong_body(wrong)
        reason = body["reason"].strip()
        if not 0 < len(reason) <= bodies.LONGEST_REASON:
            raise wrong_body([mistake("/reason", _("Write why, in up to 500 letters."))])

        def run() -> Receipts:
            return operations.undo(operation, act, actor=self.caller, now=self.now, reason=reason)

        return _once(self, key, lambda: _outcome(self, operation, run()))


def visible(view: ApiView, act_id: uuid.UUID) -> Act:
    """The act, for those who may know of it: of the log, all or their own; without the log, their
    own. Raises Http404."""
    act = Act.objects.select_related("undoes", "actor", "undone_by").filter(pk=act_id).first()
    if act is None or operation_of(act.code) is None:
        raise Http404
    caller = view.caller
    only_own = not caller.may(INSPECT) or caller.sees_only_own(INSPECT)
    if only_own and not operations.did(caller, act):
        raise Http404
    return act


def _looked_at_what_is(operation: Operation, receipts: Receipts) -> None:
    """Raises Problem where all is refused because everything changed since it was looked at, and
    looking is required."""
    refusals = [row.refusal for row in receipts.rows]
    if operation.needs_seen and all(refusal and refusal.stale for refusal in refusals):
        assert refusals[0] is not None
        raise Problem(409, "stale", refusals[0].sentence)


def _mistakes(form: OperationForm) -> list[dict[str, str]]:
    return [
        mistake("" if name == "__all__" else f"/{name}", str(text))
        for name, texts in form.errors.items()
        for text in texts
    ]


def _key(view: ApiView, *, required: bool) -> str:
    """The Idempotency-Key, or an empty text. Raises Problem."""
    key = view.request.headers.get(_HEADER, "").strip()
    if not key and not required:
        return ""
    visible_ascii = key.isascii() and key.isprintable() and " " not in key
    if not (visible_ascii and 0 < len(key) <= _LONGEST_KEY):
        why = _(
            "Send an Idempotency-Key of up to 255 visible ASCII characters: with the same one, "
            "the same request is carried out once."
        )
        raise Problem(400, "idempotency_key", why, mistakes=[{"header": _HEADER, "detail": why}])
    return key


def _once(view: ApiView, key: str, run: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Do it; with a key, only the first time that this caller sends it."""
    if not key:
        return answer(run())
    replayed = True

    def first() -> Any:
        nonlocal replayed
        replayed = False
        return plain(run())

    request = view.http_request
    asked = digest(request.method, request.path, plain(view.body()))
    try:
        body = once(f"api {name_of(view.caller)} {key}", asked, first, now=view.now)
    except IdempotencyConflict as conflict:
        raise IdempotencyConflict(key) from conflict  # named as its sender named it
    return answer(body, headers={"Idempotency-Replayed": "true"} if replayed else None)


def _outcome(view: ApiView, operation: Operation, receipts: Receipts) -> dict[str, Any]:
    masked = view.caller.sees_masked("users.inspect")
    personal = operation.procedure.personal if masked else frozenset()
    return {
        "operation_id": receipts.act_id,
        "changed": len(receipts.changed),
        "unchanged": len(receipts.unchanged),
        "refused": len(receipts.refused),
        "receipts": [_receipt(row, personal) for row in receipts.rows],
    }


def _receipt(row: TargetReceipt, personal: frozenset[str]) -> dict[str, Any]:
    return {
        "user": row.target_id,
        "name": row.name,
        "outcome": row.outcome.name.lower(),
        "before": _hidden(row.before, personal),
        "after": _hidden(row.after, personal),
        "refusal": row.refusal.sentence if row.refusal else None,
        "version": row.version,
    }


def _hidden(fields: Mapping[str, Any], personal: frozenset[str]) -> dict[str, Any]:
    return {
        name: _masked(value) if name in personal and value else value
        for name, value in fields.items()
    }


def _masked(value: Any) -> str:
    return masked_email(value) or HIDDEN if isinstance(value, str) and "@" in value else HIDDEN
