"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and ten recovery codes.

Rows and algorithms are django-allauth's (``allauth.mfa``). What is ours: secrets are encrypted
under a key derived from SECRET_KEY; a code counts once and never after a later one (RFC 6238, 5.2:
kept in PostgreSQL, so that an emptied cache lets no code in twice); and what counts is that the
session used a second factor, not that the person has one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models import Subquery
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from users.models import User

PERIOD = 30  # seconds; one code before and one after are taken, for clocks that differ
TOTP, RECOVERY = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
_PENDING = "second_factor_pending"

log = structlog.get_logger(__name__)


class Adapter(DefaultMFAAdapter):
    """What django-allauth asks of the project: how secrets are kept."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()


def _box() -> MultiFernet:
    """Seals under SECRET_KEY; opens what an older key of SECRET_KEY_FALLBACKS sealed, too."""
    return MultiFernet(
        [_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _fernet(secret: str) -> Fernet:
    key = salted_hmac("users.second_factor", "key", secret=secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _open(sealed: str) -> str | None:
    """The secret; None where neither SECRET_KEY nor a fallback opens it. Its owner's second factor
    has to be reset then."""
    try:
        return str(get_adapter().decrypt(sealed))
    except InvalidToken:
        if sealed:
            log.exception("second_factor_unreadable")
        return None


class Enrolment(NamedTuple):
    """Somebody's second factor."""

    since: datetime
    last_used_at: datetime | None
    codes_left: int


def enrolment(user: User) -> Enrolment | None:
    """The second factor of ``user``; None when they have none."""
    rows = {row.type: row for row in Authenticator.objects.filter(user=user)}
    totp, recovery = rows.get(TOTP), rows.get(RECOVERY)
    if totp is None:
        return None
    readable = recovery is not None and _open(recovery.data["seed"]) is not None
    left = len(RecoveryCodes(recovery).get_unused_codes()) if readable else 0
    return Enrolment(totp.created_at, totp.last_used_at, left)


def since(user: Any) -> Subquery:
    """Since when the user of an outer query has a second factor; NULL when they have none."""
    return Subquery(Authenticator.objects.filter(user=user, type=TOTP).values("created_at"))


def is_enrolled(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type=TOTP).exists())


# Codes


@transaction.atomic
def accept_code(user: User, code: str, *, now: datetime) -> bool:
    """Whether ``code`` is one that the app of ``user`` shows about ``now``, and newer than any that
    was accepted before. It is used up by this."""
    row = Authenticator.objects.select_for_update().filter(user=user, type=TOTP).first()
    secret = _open(row.data["secret"]) if row else None
    if row is None or secret is None:
        return False
    counter = _counter(secret, code, now)
    if counter is None or counter <= row.data.get("last_counter", 0):
        return False
    row.data = {"secret": get_adapter().encrypt(secret), "last_counter": counter}
    row.last_used_at = now
    row.save(update_fields=["data", "last_used_at"])
    if settings.SECRET_KEY_FALLBACKS:
        _reseal_recovery_codes(user)
    return True


def _reseal_recovery_codes(user: User) -> None:
    """Put them under today's key, as ``accept_code`` puts its own secret: an old key can be let go
    once everybody has signed in since."""
    row = Authenticator.objects.select_for_update().filter(user=user, type=RECOVERY).first()
    seed = _open(row.data["seed"]) if row else None
    if row is not None and seed is not None:
        row.data["seed"] = get_adapter().encrypt(seed)
        row.save(update_fields=["data"])


def _counter(secret: str, code: str, now: datetime) -> int | None:
    """Which step of time this is the code of."""
    current = int(now.timestamp()) // PERIOD
    for counter in (current, current - 1, current + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None


@transaction.atomic
def accept_recovery_code(user: User, code: str, *, now: datetime) -> bool:
    """Whether ``code`` is an unused recovery code of ``user``. It is used up by this."""
    row = Authenticator.objects.select_for_update().filter(user=user, type=RECOVERY).first()
    if row is None or _open(row.data["seed"]) is None or not RecoveryCodes(row).validate_code(code):
        return False
    Authenticator.objects.filter(pk=row.pk).update(last_used_at=now)
    return True


# Sessions


def used_in(request: HttpRequest) -> str:
    """With which second factor this session was opened or confirmed ("totp", "recovery_codes");
    empty when with none."""
    kinds = [
        str(each.get("type"))
        for each in get_authentication_records(request, request.user)
        if each["method"] == "mfa"
    ]
    return kinds[-1] if kinds else ""


def note_use(request: HttpRequest, user: User, kind: str) -> None:
    """Write into the session that it used a second factor."""
    record_authentication(request, user, "mfa", type=str(kind))


# Enrolling


def pending_secret(request: HttpRequest) -> str:
    """The secret that this session offers to an app, until a code proves that the app has it. It
    stands in the session encrypted."""
    secret = _open(request.session.get(_PENDING, ""))
    if secret is None:
        secret = str(generate_totp_secret())
        request.session[_PENDING] = get_adapter().encrypt(secret)
    return secret


def qr_code(user: User, secret: str) -> str:
    """The picture that an app reads, as a data: address of an SVG image."""
    adapter = get_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


@transaction.atomic
def enrol(request: HttpRequest, user: User, code: str, *, now: datetime) -> list[str] | None:
    """Make the pending secret the second factor of ``user``, in place of the one they had, if
    ``code`` proves that their app has it. Returns the recovery codes, which are told only now; None
    when the code is wrong."""
    secret = pending_secret(request)
    counter = _counter(secret, code, now)
    if counter is None:
        return None
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    Authenticator.objects.filter(user=user).delete()
    Authenticator.objects.create(
        user=user,
        type=TOTP,
        data={"secret": get_adapter().encrypt(secret), "last_counter": counter},
        created_at=now,
        last_used_at=now,
    )
    del request.session[_PENDING]
    note_use(request, user, TOTP)
    return new_recovery_codes(user)


@transaction.atomic
def new_recovery_codes(user: User) -> list[str]:
    """Ten new recovery codes, which are told only now; the old ones are void."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    Authenticator.objects.filter(user=user, type=RECOVERY).delete()
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    return codes


def remove(users: Sequence[int]) -> None:
    """Take the second factor from these people. Sessions and the record are the caller's."""
    Authenticator.objects.filter(user__in=users).delete()
