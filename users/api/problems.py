"""Errors of the API as problem details (RFC 9457): a status, a stable ``code`` for programs, a
sentence for people, and where a body or parameter is wrong, each place in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions

from audit.execution import AlreadyPerformed, ApprovalNeeded, OperationRefused
from billing.idempotency import IdempotencyConflict
from coai_admin.console import errors
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import WrongFilter

INVALID = "invalid"


class Problem(Exception):
    """An answer that is an error; ``code`` is stable, ``detail`` is the sentence. ``mistakes``:
    what is wrong where, each with "pointer" (into the body) or "parameter" or "header"."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        mistakes: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.status, self.code, self.detail = status, code, detail
        self.mistakes, self.headers = mistakes, dict(headers or {})


def mistake(pointer: str, detail: str) -> dict[str, str]:
    """Something wrong at one place of the body; ``pointer`` is a JSON pointer (RFC 6901)."""
    return {"pointer": pointer, "detail": detail}


def wrong_body(mistakes: Sequence[Mapping[str, str]]) -> Problem:
    """400 for a body, with every mistake in it."""
    return Problem(400, INVALID, str(mistakes[0]["detail"]), mistakes=mistakes)


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """The answer to an exception of a view; None leaves it to the site's own handler, which
    answers 500 or 503 in the same form."""
    problem = error if isinstance(error, Problem) else _problem(error)
    if problem is None:
        return None
    answer = errors.problem(
        problem.status, message=problem.detail, code=problem.code, mistakes=problem.mistakes
    )
    for name, value in problem.headers.items():
        answer.headers[name] = value
    return answer


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, WrongFilter):
        found = error.reading.filters.form.errors.items()
        mistakes = [{"parameter": name, "detail": texts[0]} for name, texts in found]
        return Problem(400, INVALID, str(error), mistakes=mistakes)
    if isinstance(error, exceptions.APIException):
        return _of_the_framework(error)
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            return Problem(status, code, "" if isinstance(error, Http404) else str(error))
    return None


# A subclass stands before its base.
_KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (BadParameter, 400, INVALID),
    (BadRequest, 400, "bad_request"),
    (Http404, 404, "not_found"),
    (PermissionDenied, 403, "permission_denied"),
    (ApprovalNeeded, 409, "approval_required"),
    (OperationRefused, 409, "refused"),
    (IdempotencyConflict, 409, "idempotency_conflict"),
    (AlreadyPerformed, 409, "already_performed"),
)


def _of_the_framework(error: exceptions.APIException) -> Problem:
    status = int(error.status_code)
    headers: dict[str, str] = {}
    detail = str(error.detail)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        status = 401
        if isinstance(error, exceptions.NotAuthenticated):
            detail = _("Send a service key: “Authorization: Bearer csk_…”.")
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, round(getattr(error, "wait", None) or 1)))
        detail = _("Too many requests. Wait as long as Retry-After says.")
    return Problem(status, HTTPStatus(status).name.lower(), detail, headers=headers)
