"""Email addresses of existing accounts: the only module that writes ``email``,
``email_verified_at`` and ``email_state``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from users import password_links
from users.mail import is_address
from users.models import User


def why_no_mail(email: str | None, state: str) -> str:
    """Why nothing can be mailed to this address; empty where it can."""
    if email is None:
        return _("Has no email address.")
    if not is_address(email):
        return _("What stands as the email address is none.")
    if state == User.EmailState.OK:
        return ""
    return {
        User.EmailState.BOUNCING: _("Mail to this address comes back."),
        User.EmailState.COMPLAINED: _("Whoever reads this address reported our mail as unwanted."),
        User.EmailState.SUPPRESSED: _("No mail is sent to this address."),
    }[User.EmailState(state)]


def is_taken(email: str) -> bool:
    """Whether somebody has this address, in any case; compared by the database, whose idea of
    lower case differs from Python's."""
    people = User.objects.alias(_email=Lower("email"))
    taken: bool = people.filter(_email=Lower(Value(email))).exists()
    return taken


def readdress(
    user: User,
    email: str | None,
    *,
    verified_at: datetime | None,
    state: str = User.EmailState.OK,
    now: datetime,
) -> None:
    """Give a locked user another address. Links to choose a password that were mailed to the one
    before are revoked.

    Raises IntegrityError when somebody has the address.
    """
    user.email, user.email_verified_at, user.email_state = email, verified_at, state
    user.save(update_fields=["email", "email_verified_at", "email_state"])
    password_links.revoke([user.pk], now=now)


def mark_verified(user: User, *, now: datetime) -> None:
    """Note that a locked user reads this address, if that was not known."""
    if user.email_verified_at is None:
        user.email_verified_at = now
        user.save(update_fields=["email_verified_at"])


def set_verified(users: Sequence[int], at: datetime | None) -> None:
    """Note for these users, in one statement, when their address was verified; None: never."""
    User.objects.filter(pk__in=users).update(email_verified_at=at)


def clear_bounces(users: Sequence[int]) -> None:
    """Forget, in one statement, that mail to these users came back."""
    bouncing = User.objects.filter(pk__in=users, email_state=User.EmailState.BOUNCING)
    bouncing.update(email_state=User.EmailState.OK)
