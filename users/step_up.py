"""Step-up: for acts that the matrix marks S or 2, somebody who is signed in confirms that it is
them, with the password and, where a second factor is enrolled, a code of it.

It holds ten minutes and no longer, for this session, in the session's row on the server; the
session gets a new key. A sign-in that passed everything counts as one. Until two-person approval
exists, 2 asks what S asks.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from users import roles

LASTS = timedelta(minutes=10)
_KEY = "stepped_up_at"


def needs_step_up(role: str, code: str) -> bool:
    """Whether ``role`` holds the permission ``code`` only with step-up: an S or a 2 in the matrix.
    KeyError for an unknown code. False also where the role does not hold it at all."""
    held = roles.grant(role, code)
    return "S" in held or "2" in held


def is_stepped_up(request: HttpRequest, *, now: datetime) -> bool:
    """Whether this session confirmed within the last ten minutes. A request without a session (of
    a service key, say) never is."""
    return ends_at(request, now=now) is not None


def ends_at(request: HttpRequest, *, now: datetime) -> datetime | None:
    """Until when the step-up of this session holds; None when it holds no more, or never did."""
    session = getattr(request, "session", None)
    if session is None or not request.user.is_authenticated:
        return None
    began = parse_datetime(session.get(_KEY, ""))
    if began is None or not began <= now < began + LASTS:
        return None
    return began + LASTS


def begin(request: HttpRequest, *, now: datetime) -> None:
    """Let the step-up of this session begin ``now``. Who calls has proof that it is them, and
    gives the session a new key."""
    request.session[_KEY] = now.isoformat()


def leave(request: HttpRequest) -> None:
    """End the step-up of this session before its time."""
    request.session.pop(_KEY, None)
