"""Having an account back from somebody else: keeping its address also voids the password that was
chosen while the address was on its way, or another's."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit import record
from users.email import changes
from users.models import EmailChange
from users.passwords import checking, sending


@transaction.atomic
def keep_address(change: EmailChange, *, now: datetime) -> bool:
    """Keep or restore the old address, as ``users.email.changes.keep``. Where that undoes a change
    and the password was changed since it was asked for, nobody knows who chose that one: nobody can
    sign in any more until one is chosen by the link that is mailed to the restored address.

    Returns whether the password was voided. Raises LinkOver.
    """
    kept = changes.keep(change, now=now)
    if not _was_changed_since(kept):
        return False
    checking.void_password(kept.user, now=now)
    link = sending.mail_link(kept.user, now=now)
    record.entry(
        "account.void_password",
        actor=kept.user,
        now=now,
        target=("user", kept.user_id, kept.user.username),
        changes={
            "password": "void",
            "password_link": [None, sending.valid_until(link.expires_at)],
        },
    )
    return True


def _was_changed_since(change: EmailChange) -> bool:
    """Whether the change came about, and its user has a password that is newer than the request
    for it."""
    changed = change.user.password_changed_at
    newer = changed is not None and changed >= change.created_at
    return newer and change.verified_at is not None and change.user.has_usable_password()
