"""Service keys: what the gateway and scripts show instead of a password. The only module that
writes them.

A token is 256 random bits, so its plain SHA-256 is as good as a slow hash, and finding it is one
probe of the unique index on the digest: what that probe's time could tell is the beginning of a
digest, from which no token follows. The token itself is shown once and kept nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audit import record
from audit.people import Actor
from subscriptions.models import ServiceKey

CREATE, REVOKE = "subscriptions.create_service_key", "subscriptions.revoke_service_key"
BEGINNING = "csk_"
MOST_DAYS = 400
_PREFIX = len(BEGINNING) + 6
_LONGEST_NAME = 100
_WRITE_AT_MOST_EVERY = timedelta(minutes=1)


class KeyRefused(ValueError):
    """This key may not be made; the text is the sentence an admin reads."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and its token, which nobody can read again."""

    key: ServiceKey
    token: str


@transaction.atomic
def create(
    name: str, scopes: Collection[str], *, expires_at: datetime, actor: Actor, now: datetime
) -> Issued:
    """Make a key that works until ``expires_at`` (400 days from now at most). ``scopes``: the
    permissions it is to hold; what a key may hold is judged at each request.

    Raises KeyRefused.
    """
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME:
        raise KeyRefused(_("Give the key a name of up to %(n)s letters.") % {"n": _LONGEST_NAME})
    if not scopes:
        raise KeyRefused(_("A key without any permission opens nothing."))
    if not now < expires_at <= now + timedelta(days=MOST_DAYS):
        raise KeyRefused(_("A key ends within %(days)s days.") % {"days": MOST_DAYS})
    token = BEGINNING + secrets.token_urlsafe(32)
    key = ServiceKey.objects.create(
        name=name,
        digest=_digest(token),
        prefix=token[:_PREFIX],
        scopes=sorted(set(scopes)),
        created_at=now,
        created_by_id=actor.pk,
        expires_at=expires_at,
    )
    changes = {"prefix": key.prefix, "scopes": " ".join(key.scopes), "expires_at": expires_at}
    record.entry(CREATE, actor=actor, now=now, target=_target(key), changes=changes)
    return Issued(key, token)


@transaction.atomic
def revoke(key_id: int, *, actor: Actor, now: datetime) -> ServiceKey | None:
    """End a key from the next request on; None where there is no such key. Once revoked it stays
    so, and doing it again records nothing."""
    key = ServiceKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None or key.revoked_at is not None:
        return key
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record.entry(REVOKE, actor=actor, now=now, target=_target(key), changes={"prefix": key.prefix})
    return key


def usable(now: datetime) -> QuerySet[ServiceKey]:
    """The keys that open something at ``now``; the end is exclusive."""
    return ServiceKey.objects.filter(revoked_at__isnull=True, expires_at__gt=now)


def find(token: str, *, now: datetime) -> ServiceKey | None:
    """The usable key of a token. One statement, and a second one at most once a minute, which
    notes that it was used."""
    if not token.startswith(BEGINNING):
        return None
    key = usable(now).filter(digest=_digest(token)).first()
    if key is not None and _is_stale(key.last_used_at, now):
        unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - _WRITE_AT_MOST_EVERY)
        ServiceKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
    return key


def _is_stale(noted: datetime | None, now: datetime) -> bool:
    return noted is None or now - noted >= _WRITE_AT_MOST_EVERY


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _target(key: ServiceKey) -> tuple[str, int, str]:
    return "service_key", key.pk, key.name
