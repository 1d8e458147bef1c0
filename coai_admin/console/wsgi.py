"""The way from the web server to the first middleware, where Django answers nothing itself yet."""

from __future__ import annotations

import gc
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.urls import get_resolver
from django.utils.http import parse_header_parameters

UNREADABLE = "unreadable"


class Request(WSGIRequest):
    """Django's request, which a strange Content-Type cannot break before there is anybody to answer
    it (``charset=zlib`` did). The charset is judged by RefuseMalformedMiddleware."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            kind, parameters = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            kind, parameters = "", {"charset": UNREADABLE}
        self.content_type, self.content_params = kind, parameters


class Handler(WSGIHandler):
    """Django's handler with our request."""

    request_class = Request


def settle() -> None:
    """Load every page, and take what is loaded out of the garbage collector's sight: it stays as
    long as the process. Looking through all of it takes 75 ms, which would come upon one request in
    fifty."""
    get_resolver().url_patterns  # noqa: B018 (imports the views)
    gc.collect()
    gc.freeze()
