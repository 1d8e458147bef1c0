"""The circumstances of what is being done: request id and client address. Set once per request by
a middleware (and for a task from its message); read by the audit record and the logs. Empty
outside a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_ip: ContextVar[str | None] = ContextVar("ip", default=None)


def request_id() -> str:
    """The id of the request or task under way, or an empty string."""
    return _request_id.get()


def ip() -> str | None:
    """The client's address, or None outside a request."""
    return _ip.get()


@contextmanager
def under(request_id: str, ip: str | None = None) -> Iterator[None]:
    """Set the circumstances for the block."""
    id_token, ip_token = _request_id.set(request_id), _ip.set(ip)
    try:
        yield
    finally:
        _request_id.reset(id_token)
        _ip.reset(ip_token)
