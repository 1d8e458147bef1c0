"""Sending people a link to choose a password: the procedure behind ``users.send_password_link``,
its letter, and what happens when the link is followed. Staff never see or set a password."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record
from audit.execution import execute
from audit.people import Actor
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from audit.targets import among, array
from coai_admin.console.statements import statement
from users import mail, password_links
from users.email import addresses
from users.mail import Letter
from users.models import PasswordLink, User
from users.passwords.checking import set_password
from users.sessions.ending import end_sessions


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A user before a link is sent: ``ends`` are those of the links that are neither used nor
    revoked."""

    target_id: int
    email: str | None
    email_state: str
    closed: bool
    ends: tuple[datetime, ...]


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[LinkRow]:
    rows: Iterable[Any] = (
        _facts(array(ids))
        if not lock
        else _people(ids).select_for_update(no_key=True, of=("self",))
    )
    return [
        LinkRow(pk, email, state, closed_at is not None, tuple(ends))
        for pk, email, state, closed_at, ends in rows
    ]


def _people(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
    unused = PasswordLink.objects.filter(user=OuterRef("pk"), used_at=None, revoked_at=None)
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(ends=ArraySubquery(unused.order_by("pk").values("expires_at")))
    )
    return people.values_list("pk", "email", "email_state", "closed_at", "ends")


_facts = statement(_people)


def valid_until(moment: datetime) -> str:
    """A link in the words of the audit log."""
    return f"valid until {moment:%Y-%m-%dT%H:%MZ}"


def _decide(row: LinkRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if why := addresses.why_no_mail(row.email, row.email_state):
        return Refusal(why)
    still_open = [end for end in row.ends if now < end]
    return Change(
        before={"password_link": valid_until(max(still_open)) if still_open else None},
        after={"password_link": valid_until(now + password_links.LIVES)},
    )


def _write(changes: Sequence[tuple[LinkRow, Change]], act: ActContext) -> dict[int, Any]:
    to = {row.target_id: row.email for row, _change in changes if row.email is not None}
    links = password_links.make(to, act_id=act.id, now=act.now)
    mail.send_many("password_link", [link.pk for link in links], now=act.now)
    return {link.user_id: {"link": link.pk} for link in links}


def mail_link(user: User, *, now: datetime) -> PasswordLink:
    """Mail a locked user a link that no colleague asked for, in the caller's transaction; the user
    must have an address. Links that are still open are revoked."""
    [link] = password_links.make({user.pk: str(user.email)}, act_id=uuid.uuid4(), now=now)
    mail.send("password_link", link.pk, now=now)
    return link


@dataclass(frozen=True, slots=True)
class SentRow:
    """The link that an act sent to one user, as it is now; None when it is gone."""

    target_id: int
    link: PasswordLink | None


def _load_sent(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[SentRow]:
    wanted = [params["receipts"][target]["link"] for target in ids]
    rows = PasswordLink.objects.filter(pk__in=wanted).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    links = {link.user_id: link for link in rows}
    return [SentRow(target, links.get(target)) for target in sorted(ids)]


_WHY_NO_UNDO = {
    password_links.Life.USED: lambda: _("The link was used: a password was chosen by it."),
    password_links.Life.REVOKED: lambda: _("The link is revoked already."),
    password_links.Life.EXPIRED: lambda: _("The link has expired by itself."),
}


def _decide_revoke(row: SentRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.link is None:
        return Refusal(_("The link is gone."))
    if why := _WHY_NO_UNDO.get(password_links.life(row.link, now)):
        return Refusal(why())
    return Change(
        before={"password_link": valid_until(row.link.expires_at)},
        after={"password_link": None},
        data=row.link.pk,
    )


def _write_revoke(changes: Sequence[tuple[SentRow, Change]], act: ActContext) -> dict[int, Any]:
    password_links.revoke_these([change.data for _row, change in changes], now=act.now)
    return {row.target_id: {"link": change.data} for row, change in changes}


SEND_LINK = Procedure(code="users.send_password_link", load=_load, decide=_decide, write=_write)
REVOKE_LINK = Procedure(
    code="users.send_password_link", load=_load_sent, decide=_decide_revoke, write=_write_revoke
)


def send_password_link(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Mail each of these users a link by which they choose a new password, once, within 24 hours;
    an earlier one that is still open is revoked. Whoever cannot be mailed is refused. The present
    password works until a new one is chosen."""
    return execute(
        SEND_LINK, users, {}, actor=actor, now=now or time_now(), reason=reason, ticket=ticket
    )


def letter(link_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """What the letter with the link needs; None when the link is over by the time it leaves."""
    link = PasswordLink.objects.select_related("user").filter(pk=link_id).first()
    if link is None or not password_links.is_open(link, now):
        return None
    return Letter(
        to=link.email,
        context={
            "name": mail.one_line(link.user.username),
            "until": f"{date_format(link.expires_at, 'j M Y, H:i')} UTC",
            "has_password": link.user.has_usable_password(),
        },
        link=mail.link_to("account:choose_password", password_links.token_of(link)),
        link_label=_("Choose a new password"),
        sent=lambda moment: password_links.note_sent(link_id, moment),
    )


@transaction.atomic
def choose_password(token: str, password: str, *, now: datetime) -> User | None:
    """Give the owner of this token the password they chose: the link is used up, every session
    ends, the address counts as verified (the link went there), and a letter tells them. None,
    and nothing done, when the link is not good any more.

    ``password`` must have passed the validators.
    """
    link = password_links.by_token(token, lock=True)
    if link is None or not password_links.is_open(link, now) or not is_still_meant(link):
        return None
    user = link.user
    password_links.note_used(link, now)
    set_password(user, password, now=now)
    addresses.mark_verified(user, now=now)
    ended = end_sessions([user.pk])
    mail.send("password_changed", user.pk, now=now)
    record.entry(
        "account.choose_password",
        actor=user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"password_link": [valid_until(link.expires_at), "used"], "sessions_ended": ended},
    )
    return user


def is_still_meant(link: PasswordLink) -> bool:
    """Whether the account is open and has the address that the link went to."""
    return link.user.closed_at is None and link.user.email == link.email
