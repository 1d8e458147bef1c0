"""Answers to what went wrong: pages for browsers, problem details (RFC 9457) for programs.

Nothing here may fail in turn: no database, no cache, no session; and if even the template cannot
be rendered, plain text is sent. The exceptions' own texts are sentences for people and are shown
where they are ours or Django's public ones (BadRequest, PermissionDenied); what a 5xx was about
stands in the log, under the reference number.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from coai_admin.console import circumstances

RETRY_AFTER = 10
_LONGEST_SENTENCE = 300

log = structlog.get_logger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, with the sentence of a BadRequest; what Django finds suspicious is not commented."""
    return answer(request, 400, message=str(exception) if isinstance(exception, BadRequest) else "")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, with the sentence of the PermissionDenied."""
    return answer(
        request, 403, message=str(exception) if isinstance(exception, PermissionDenied) else ""
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404. Without a sentence: Django's own would name models."""
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; or 503 when it was the database that does not answer (or broke off to be asked
    again)."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return unavailable(request, _("The database does not answer."))
    return answer(request, 500)


def unavailable(
    request: HttpRequest, message: str, *, retry_after: int = RETRY_AFTER
) -> HttpResponse:
    """503: a part of the platform does not answer. ``retry_after`` is in seconds."""
    return answer(request, 503, message=message, retry_after=retry_after)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose token does not fit: usually a page from before signing in, or
    blocked cookies."""
    log.warning("csrf_refused", path=request.path, reason=reason)
    message = _(
        "This form could not be verified: the page is older than your sign-in, or the browser "
        "blocks cookies. Nothing was done. Reload the page and send it again."
    )
    return answer(request, 403, message=message)


def answer(
    request: HttpRequest,
    status: int,
    *,
    message: str = "",
    retry_after: int | None = None,
    template: str = "",
) -> HttpResponse:
    """Build the answer of ``status`` from errors/<status>.html, or from ``template``."""
    message = message[:_LONGEST_SENTENCE]
    if request.path_info.startswith("/api/"):
        response: HttpResponse = problem(status, message=message)
    else:
        response = HttpResponse(
            _page(request, template or f"errors/{status}.html", status, message, retry_after),
            status=status,
        )
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def problem(
    status: int,
    *,
    message: str = "",
    code: str = "",
    mistakes: Sequence[Mapping[str, str]] = (),
) -> JsonResponse:
    """Problem details. ``code`` is stable: the status's own name where there is no finer one.
    ``mistakes``: what is wrong where."""
    phrase = HTTPStatus(status)
    details: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase.phrase,
        "status": status,
        "code": code or phrase.name.lower(),
        "reference": circumstances.request_id(),
    }
    if message:
        details["detail"] = message[:_LONGEST_SENTENCE]
    if mistakes:
        details["errors"] = list(mistakes)
    response = JsonResponse(details, status=status, content_type="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="CoAI Admin"'
    return response


def _page(
    request: HttpRequest, template: str, status: int, message: str, retry_after: int | None
) -> str:
    reference = circumstances.request_id()
    context = {
        "request": request,
        "brand_href": "/admin/",
        "site_mode": settings.MODE,
        "status": status,
        "message": message,
        "reference": reference,
        "retry_after": retry_after,
    }
    try:
        return render_to_string(template, context)
    except Exception:
        log.exception("error_page_failed", template=template)
        return f"{HTTPStatus(status).phrase}. {_('Reference')}: {reference}"
