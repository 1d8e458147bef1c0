"""Links by which a person chooses a password: good for 24 hours, once, and only while nothing
about the account's address or password changed since. The only module that writes them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from users import tokens
from users.models import PasswordLink

LIVES = timedelta(hours=24)
_PURPOSE = "password_link"


class Life(models.TextChoices):
    """Where a link stands."""

    WAITING = "waiting", _("not sent yet")
    SENT = "sent", _("sent")
    OPENED = "opened", _("opened")
    USED = "used", _("used")
    REVOKED = "revoked", _("revoked")
    EXPIRED = "expired", _("expired")


def life(link: PasswordLink, now: datetime) -> Life:
    """Where this link stands at ``now``; its end is exclusive."""
    if link.used_at is not None:
        return Life.USED
    if link.revoked_at is not None:
        return Life.REVOKED
    if now >= link.expires_at:
        return Life.EXPIRED
    if link.opened_at is not None:
        return Life.OPENED
    return Life.SENT if link.sent_at is not None else Life.WAITING


def is_open(link: PasswordLink, now: datetime) -> bool:
    """Whether a password can be chosen by this link."""
    return life(link, now) in (Life.WAITING, Life.SENT, Life.OPENED)


def token_of(link: PasswordLink) -> str:
    """The token that the letter carries."""
    return tokens.make(_PURPOSE, link.pk, *_bound(link))


def by_token(token: str, *, lock: bool = False) -> PasswordLink | None:
    """The link of a genuine token with its user, whatever has become of it; None for any other
    token. With ``lock`` the user and then the link stay locked until the transaction ends."""
    row = tokens.row_of(token)
    if row is None:
        return None
    link = PasswordLink.objects.select_related("user").filter(pk=row).first()
    if link is None or not tokens.is_genuine(token, _PURPOSE, *_bound(link)):
        return None
    if not lock:
        return link
    link.user = type(link.user).objects.select_for_update(no_key=True).get(pk=link.user_id)
    locked = PasswordLink.objects.select_for_update(no_key=True).get(pk=link.pk)
    locked.user = link.user
    return locked


def _bound(link: PasswordLink) -> tuple[object, ...]:
    return link.user_id, link.email, link.act_id


def make(addresses: Mapping[int, str], *, act_id: uuid.UUID, now: datetime) -> list[PasswordLink]:
    """A new link for each of these users, to the address given, in place of any that was open; two
    statements."""
    revoke(addresses, now=now)
    return PasswordLink.objects.bulk_create(
        PasswordLink(
            user_id=user, email=email, created_at=now, expires_at=now + LIVES, act_id=act_id
        )
        for user, email in addresses.items()
    )


def revoke(users: Collection[int], *, now: datetime) -> int:
    """Revoke every link of these people by which a password can still be chosen; returns how
    many. One statement."""
    links = PasswordLink.objects.filter(user__in=list(users), used_at=None, revoked_at=None)
    return links.filter(expires_at__gt=now).update(revoked_at=now)


def revoke_these(links: Collection[int], *, now: datetime) -> None:
    """Revoke links by their ids."""
    PasswordLink.objects.filter(pk__in=links).update(revoked_at=now)


def note_sent(link_id: int, now: datetime) -> None:
    """The mail server took the letter."""
    PasswordLink.objects.filter(pk=link_id, sent_at=None).update(sent_at=now)


def note_opened(link_id: int, now: datetime) -> None:
    """Somebody, or a program that looks at links in mail, opened it. It stays good."""
    PasswordLink.objects.filter(pk=link_id, opened_at=None).update(opened_at=now)


def note_used(link: PasswordLink, now: datetime) -> None:
    """A password was chosen by it. Who never opened it did so now."""
    link.used_at = now
    PasswordLink.objects.filter(pk=link.pk).update(
        used_at=now, opened_at=Coalesce(F("opened_at"), now)
    )
