"""Sessions as the site uses them: their limits, and who is in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.timezone import now as time_now

from coai_admin.console import circumstances
from users.console_settings import session_limits
from users.models import Session, User
from users.sessions.store import SessionStore, ends

_WRITE_AT_MOST_EVERY = timedelta(minutes=1)


class Clock(NamedTuple):
    """When a session ends: by not being used, and at the latest."""

    idle_ends: datetime
    absolute_ends: datetime


def clock(request: HttpRequest) -> Clock | None:
    """The clock of the signed-in person's session; None when nobody is in."""
    row = _row(request)
    if row is None or not request.user.is_authenticated:
        return None
    limits = session_limits()
    return Clock(
        row.seen_at + limits.idle,
        row.created_at + limits.absolute,
    )


def prolong(request: HttpRequest, *, now: datetime) -> None:
    """Note that the person is there: the idle limit counts from ``now``."""
    row = _row(request)
    if row is None or not request.user.is_authenticated:
        return
    row.seen_at = now
    row.expire_date = ends(created_at=row.created_at, seen_at=now)
    Session.objects.filter(pk=row.pk).update(seen_at=now, expire_date=row.expire_date)
    User.objects.filter(pk=request.user.pk).update(last_seen_at=now)


def passive(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that scripts ask by themselves: reading it is no sign that somebody is there."""
    view.passive = True  # type: ignore[attr-defined]
    return view


def _row(request: HttpRequest) -> Session | None:
    session = getattr(request, "session", None)
    return session.row if isinstance(session, SessionStore) else None


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, which also tells a new session where it comes from. A session that was ended
    while its own request was under way leads to the sign-in."""

    def process_request(self, request: HttpRequest) -> None:
        request.session = SessionStore(
            request.COOKIES.get(settings.SESSION_COOKIE_NAME),
            ip=circumstances.ip(),
            agent=request.META.get("HTTP_USER_AGENT", ""),
        )

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            return redirect(settings.LOGIN_URL)


class SessionLimitsMiddleware:
    """Write down, at most once a minute, that the person is there. The limits themselves are
    kept by the store."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        if getattr(view, "passive", False) and request.method in ("GET", "HEAD"):
            return
        if not request.user.is_authenticated:
            return
        row, now = _row(request), time_now()
        if row is not None and now - row.seen_at >= _WRITE_AT_MOST_EVERY:
            prolong(request, now=now)
