"""Step-up: for acts that the matrix marks S or 2, somebody who is signed in confirms that it is
them, with the password and, where a second factor is enrolled, a code of it.

It holds ten minutes and no longer, for this session, in the session's row on the server; the
session gets a new key. A sign-in that passed everything counts as one. What is marked 2 asks it of
who asks for approval, and of who approves.

Attempts are counted per person in Valkey before anything is checked: the fifth wrong one locks
step-up, and nothing else, for 15 minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from audit import record
from coai_admin.console import circumstances
from users import mail, roles
from users.models import User
from users.passwords.checking import matches
from users.second_factor import authenticators

LASTS = timedelta(minutes=10)
LOCKED_FOR = timedelta(minutes=15)
ATTEMPTS = 5
BEGAN, _RECOVERED = "stepped_up_at", "recovered_at"  # keys of the session

log = structlog.get_logger(__name__)


class StepUpLocked(Exception):
    """Too many wrong attempts. ``until`` is when one may try again."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


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
    return _end_of(BEGAN, request, now)


def may_replace_second_factor(request: HttpRequest, *, now: datetime) -> bool:
    """Whether this session may set up a new second factor in place of the old one: it is stepped
    up, or was opened with a recovery code within ten minutes. That is what those codes are for;
    they allow nothing else that asks for step-up."""
    return any(_end_of(key, request, now) is not None for key in (BEGAN, _RECOVERED))


def _end_of(key: str, request: HttpRequest, now: datetime) -> datetime | None:
    session = getattr(request, "session", None)
    if session is None or not request.user.is_authenticated:
        return None
    began = parse_datetime(session.get(key, ""))
    if began is None or not began <= now < began + LASTS:
        return None
    return began + LASTS


def begin_by_sign_in(request: HttpRequest, *, now: datetime) -> None:
    """Let a sign-in that just passed everything count as step-up; one with a recovery code only as
    leave to set up a new second factor."""
    recovered = authenticators.used_in(request) == authenticators.RECOVERY
    request.session[_RECOVERED if recovered else BEGAN] = now.isoformat()


def leave(request: HttpRequest) -> None:
    """End the step-up of this session before its time."""
    for key in (BEGAN, _RECOVERED):
        request.session.pop(key, None)


# Confirming


def confirm(request: HttpRequest, *, password: str, code: str, now: datetime) -> bool:
    """Step this session up if the password and, where one is enrolled, the code of the second
    factor are right; whether they were. The session then counts as one that used the second
    factor, and has a new key.

    Raises StepUpLocked, before anything is checked; TooBusy (``users.passwords.checking``);
    RedisError when attempts cannot be counted.
    """
    user = request.user
    assert isinstance(user, User)
    number = _count(user, now)
    enrolled = authenticators.is_enrolled(user)
    right = matches(user, password) and (
        not enrolled or authenticators.accept_code(user, code, now=now)
    )
    if not right:
        log.warning("step_up_failed", user=user.pk, ip=circumstances.ip(), attempt=number)
        if number == ATTEMPTS:
            _lock(user, now)
        return False
    cache.delete(_counter(user))
    with transaction.atomic():
        request.session.rotate()  # type: ignore[attr-defined]
        request.session[BEGAN] = now.isoformat()
        if enrolled:
            authenticators.note_use(request, user, authenticators.TOTP)
        record.entry("account.step_up", actor=user, now=now, target=_oneself(user))
    return True


def locked_until(user: User, *, now: datetime) -> datetime | None:
    """Until when ``user`` may not try to step up; None when they may."""
    until: datetime | None = cache.get(_lock_of(user))
    return until if until is not None and now < until else None


def _count(user: User, now: datetime) -> int:
    """The number of this attempt. The counter moves before the lock is read, so that attempts at
    the same time do not pass together."""
    number = _one_more(_counter(user))
    until = locked_until(user, now=now)
    if until is not None:
        cache.delete(_counter(user))
        raise StepUpLocked(until)
    if number > ATTEMPTS:  # the fifth is being judged at this moment
        raise StepUpLocked(now + LOCKED_FOR)
    return number


def _one_more(key: str) -> int:
    while True:
        cache.add(key, 0, timeout=LOCKED_FOR.total_seconds())
        try:
            return int(cache.incr(key))
        except ValueError:  # it ended, or another attempt locked, between the two
            continue


def _lock(user: User, now: datetime) -> None:
    cache.set(_lock_of(user), now + LOCKED_FOR, timeout=LOCKED_FOR.total_seconds())
    cache.delete(_counter(user))
    log.warning("step_up_locked", user=user.pk, ip=circumstances.ip())
    wrong = {"wrong_attempts": ATTEMPTS}
    with transaction.atomic():
        target = _oneself(user)
        record.entry("account.step_up_locked", actor=user, now=now, target=target, changes=wrong)
        mail.send("step_up_locked", user.pk, now=now)


def _counter(user: User) -> str:
    return f"step_up.attempts.{user.pk}"


def _lock_of(user: User) -> str:
    return f"step_up.locked.{user.pk}"


def _oneself(user: User) -> tuple[str, int, str]:
    return "user", user.pk, user.username
