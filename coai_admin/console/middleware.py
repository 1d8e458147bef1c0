"""What every request passes before anything else: its id, its circumstances, and the refusal of
malformed input."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.utils.translation import gettext as _

from coai_admin.console import circumstances
from coai_admin.console.addresses import client_address, from_trusted_proxy
from coai_admin.console.errors import answer
from coai_admin.console.files import most_bytes
from coai_admin.console.json import NotAccepted, parse

Handler = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)
_FORWARDED = ("FOR", "PROTO", "HOST", "PORT")

# Those of Django's middlewares stand here too, for the answers that are given before these are
# reached.
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "X-Content-Type-Options": "nosniff",
}

log = structlog.get_logger("coai_admin.requests")


class RequestIdMiddleware:
    """Give each request an id, which stands in its answer, in the audit log and in each line it
    logs; know the client's address; believe X-Forwarded-… from our own proxies only. The
    outermost middleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        proxies = settings.TRUSTED_PROXIES
        address = client_address(request.META, proxies)
        if not from_trusted_proxy(request.META, proxies):
            for name in _FORWARDED:
                request.META.pop(f"HTTP_X_FORWARDED_{name}", None)
        request_id = _request_id(request)
        began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with circumstances.under(request_id, address):
            response = self.get_response(request)
        if not request.path_info.startswith(settings.STATIC_URL):
            log.info(
                "request",
                method=request.method,
                path=request.path,  # without the query, which names people
                status=response.status_code,
                milliseconds=round((time.perf_counter() - began) * 1000, 1),
            )
        structlog.contextvars.clear_contextvars()
        response["X-Request-ID"] = request_id
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _request_id(request: HttpRequest) -> str:
    sent = request.META.get("HTTP_X_REQUEST_ID", "")
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


class TooLarge(BadRequest):
    """The body is larger than anything this site takes."""


class RefuseMalformedMiddleware:
    """Answer 400 to what no page of ours sends and what would break further in: NUL characters,
    bodies that are too large or not what they say, JSON that is too deep or ambiguous. JSON is
    parsed here once: ``request.json_body``."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            _check_address(request)
            _check_length(request)
            _check_body(request)
        except TooLarge as error:
            if not request.path_info.startswith("/api/"):
                raise
            return answer(request, 413, message=str(error))
        except UnreadablePostError as error:
            raise BadRequest(_("The body ended before it was complete.")) from error
        return self.get_response(request)


def _check_address(request: HttpRequest) -> None:
    query = request.META.get("QUERY_STRING", "")
    if "\x00" in request.path_info or "\x00" in query or "%00" in query:
        raise BadRequest(_("The address contains a NUL character."))
    charset = (request.content_params or {}).get("charset", "utf-8")
    if str(charset).lower() != "utf-8":
        raise BadRequest(_("Only UTF-8 is accepted."))
    len(request.GET)  # too many parameters are refused here, not somewhere inside a page


def _check_length(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or len(length) > 19:
        raise BadRequest(_("The length of the body is not a number."))
    ordinary = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if int(length) > ordinary and int(length) > most_bytes(request.path_info):
        raise TooLarge(_("The body is too large."))


def _check_body(request: HttpRequest) -> None:
    if request.content_type == "application/json" or (request.content_type or "").endswith("+json"):
        if request.body:
            try:
                request.json_body = parse(request.body)  # type: ignore[attr-defined]
            except NotAccepted as error:
                raise BadRequest(str(error)) from error
    elif request.method == "POST":
        texts: Iterable[str] = (
            text for name, values in request.POST.lists() for text in (name, *map(str, values))
        )
        if any("\x00" in text for text in (*texts, *request.FILES)):
            raise BadRequest(_("The form contains a NUL character."))
