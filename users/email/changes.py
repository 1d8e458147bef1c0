"""Changes of address on their way: their letters, and what the links of those do. The new address
counts only once somebody follows the link that was mailed to it; the old one is told at once, and
its link keeps it: while the change is pending, and for 72 hours after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import record
from users import mail, password_links, tokens
from users.email import addresses
from users.mail import Letter
from users.models import EmailChange, User
from users.sessions.ending import end_sessions

VERIFY_WITHIN = timedelta(hours=48)
UNDO_WITHIN = timedelta(hours=72)
VERIFY, KEEP = "verify_email", "keep_email"
OPEN = Q(verified_at=None, cancelled_at=None)


class LinkOver(Exception):
    """Nothing can be done by this link any more; the text is what its reader is told."""


def cancel(users: Sequence[int], *, now: datetime) -> None:
    """Cancel what is pending for these users; its links are over. One statement."""
    EmailChange.objects.filter(OPEN, user__in=users).update(cancelled_at=now)


# Its letters


def _token(purpose: str, change: EmailChange) -> str:
    return tokens.make(purpose, change.pk, *_bound(purpose, change))


def _bound(purpose: str, change: EmailChange) -> tuple[object, ...]:
    address = change.new_email if purpose == VERIFY else change.old_email
    return change.user_id, address, change.act_id


def _words(change: EmailChange, until: datetime) -> dict[str, str]:
    return {
        "name": mail.one_line(change.user.username),
        "new_email": change.new_email,
        "until": f"{date_format(until, 'j M Y, H:i')} UTC",
    }


def _found(change_id: int) -> EmailChange | None:
    return EmailChange.objects.select_related("user").filter(pk=change_id).first()


def to_verify(change_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letter to the new address; None when the change is no longer pending."""
    change = _found(change_id)
    if change is None or _why_not_verify(change, now):
        return None
    return Letter(
        to=change.new_email,
        context=_words(change, change.expires_at),
        link=mail.link_to("account:verify_email", _token(VERIFY, change)),
        link_label=_("Verify this address"),
    )


def to_keep(change_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letters to the old address, before and after the change; None where there is none, or
    the change is over."""
    change = _found(change_id)
    if change is None or change.old_email is None or _why_not_keep(change, now):
        return None
    return Letter(
        to=change.old_email,
        context=_words(change, change.undo_until or change.expires_at),
        link=mail.link_to("account:keep_email", _token(KEEP, change)),
        link_label=_("Keep my address"),
    )


# What their links do

_NOT_VERIFIED = gettext_lazy("This change of address was cancelled, or a newer one took its place.")
_TAKEN = gettext_lazy("Another account has this address by now. Ask the support.")


def by_token(token: str, purpose: str) -> EmailChange | None:
    """The change of a genuine token with its user, whatever has become of it."""
    row = tokens.row_of(token)
    change = _found(row) if row is not None else None
    if change is None or not tokens.is_genuine(token, purpose, *_bound(purpose, change)):
        return None
    return change


def why_not(change: EmailChange, purpose: str, now: datetime) -> str:
    """Why nothing can be done by the link of this purpose; empty when it can."""
    return (_why_not_verify if purpose == VERIFY else _why_not_keep)(change, now)


def _why_not_verify(change: EmailChange, now: datetime) -> str:
    if change.verified_at is not None:
        return _("This address is verified already.")
    if change.cancelled_at is not None or change.user.closed_at is not None:
        return str(_NOT_VERIFIED)
    if now >= change.expires_at:
        return _("This link has expired.")
    return ""


def _why_not_keep(change: EmailChange, now: datetime) -> str:
    if change.user.closed_at is not None:
        return _("The account is closed.")
    if change.undone_at is not None or change.cancelled_at is not None:
        return _("The change was stopped already: this address was kept.")
    if change.verified_at is None:
        if now < change.expires_at:
            return ""
        return _("The change was not verified in time; your address is what it was.")
    if change.undo_until is None or now >= change.undo_until:
        return _("The change can no longer be undone by this link. Ask the support.")
    return ""


def _locked(change: EmailChange, purpose: str, now: datetime) -> EmailChange:
    """The change as it is now, with its user; both stay locked. Raises LinkOver."""
    user = User.objects.select_for_update(no_key=True).get(pk=change.user_id)
    locked = EmailChange.objects.select_for_update(no_key=True).get(pk=change.pk)
    locked.user = user
    if why := why_not(locked, purpose, now):
        raise LinkOver(why)
    return locked


@transaction.atomic
def verify(change: EmailChange, *, keep_session: str | None, now: datetime) -> None:
    """The new address becomes the user's. Links to choose a password that went to the old one end,
    and every session but ``keep_session``; the old address can undo for 72 hours.

    Raises LinkOver, also where somebody has taken the address meanwhile.
    """
    change = _locked(change, VERIFY, now)
    user = change.user
    if user.email != change.old_email:
        raise LinkOver(str(_NOT_VERIFIED))
    _readdress(user, change.new_email, now=now)
    change.verified_at, change.undo_until = now, now + UNDO_WITHIN
    change.save(update_fields=["verified_at", "undo_until"])
    ended = end_sessions([user.pk], keep=keep_session)
    if change.old_email is not None:
        mail.send("email_changed", change.pk, now=now)
    _record("account.verify_email", change, [change.old_email, change.new_email], ended, now)


@transaction.atomic
def keep(change: EmailChange, *, now: datetime) -> EmailChange:
    """The old address stays, or is restored: for its owner, by the link that went there. Whatever
    changed after this change is undone too, sessions and links to choose a password end. Passwords
    are above this room: ``users.passwords.recovering`` is what the link calls.

    Returns the change as it was found, with its user, both locked.

    Raises LinkOver, also where somebody has taken the address meanwhile.
    """
    change = _locked(change, KEEP, now)
    user, was = change.user, change.user.email
    if change.verified_at is not None:
        _readdress(user, change.old_email, now=now)
    cancel([user.pk], now=now)
    since = EmailChange.objects.filter(user=user, pk__gte=change.pk, undone_at=None)
    since.exclude(verified_at=None).update(undone_at=now)
    password_links.revoke([user.pk], now=now)
    ended = end_sessions([user.pk])
    _record("account.keep_email", change, [was, user.email], ended, now)
    return change


def _readdress(user: User, email: str | None, *, now: datetime) -> None:
    """The unique index judges, at this very moment, whether somebody else has the address."""
    try:
        with transaction.atomic():
            addresses.readdress(user, email, verified_at=now, now=now)
    except IntegrityError as error:
        raise LinkOver(str(_TAKEN)) from error


def _record(
    action: str, change: EmailChange, emails: list[str | None], ended: int, now: datetime
) -> None:
    user = change.user
    record.entry(
        action,
        actor=user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"sessions_ended": ended},
        personal={"email": emails},
    )
