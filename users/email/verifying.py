"""Whether somebody reads what is mailed to them: the procedures behind ``users.verify_email`` and
``users.resend_verification``, and the letter that asks to verify the address one has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record
from audit.execution import execute
from audit.people import Actor
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from audit.targets import among
from users import mail, tokens
from users.email import addresses
from users.email import changes as email_changes
from users.mail import Letter
from users.models import EmailChange, User

DAYS = 3  # the day a letter was written and the two after it
_PURPOSE = "verify_present_email"
_OK, _BOUNCING = User.EmailState.OK.value, User.EmailState.BOUNCING.value


@dataclass(frozen=True, slots=True)
class VerifyRow:
    """A user's address and what is known of it. ``pending`` is the change on its way: its id and
    when it ends."""

    target_id: int
    email: str | None
    state: str
    verified_at: datetime | None
    closed: bool
    pending: tuple[tuple[int, datetime], ...]


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[VerifyRow]:
    pending = EmailChange.objects.filter(email_changes.OPEN, user=OuterRef("pk")).order_by("pk")
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(pending=ArraySubquery(pending.values(json=JSONObject(id="pk", end="expires_at"))))
    )
    if lock:
        people = people.select_for_update(no_key=True, of=("self",))
    columns = ("pk", "email", "email_state", "email_verified_at", "closed_at", "pending")
    return [
        VerifyRow(
            pk,
            email,
            state,
            verified_at,
            closed_at is not None,
            tuple((each["id"], _moment(each["end"])) for each in pending),
        )
        for pk, email, state, verified_at, closed_at, pending in people.values_list(*columns)
    ]


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    assert moment is not None
    return moment


# users.verify_email


def _decide_verify(row: VerifyRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if row.email is None:
        return Refusal(_("Has no email address."))
    if row.verified_at is not None:
        return None
    return Change(before={"email_verified": False}, after={"email_verified": True})


def _write_verify(changes: Sequence[tuple[VerifyRow, Change]], act: ActContext) -> dict[int, Any]:
    addresses.set_verified([row.target_id for row, _change in changes], act.now)
    return {row.target_id: {"at": act.now.isoformat()} for row, _change in changes}


def _decide_unverify(row: VerifyRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.verified_at != _moment(params["receipts"][row.target_id]["at"]):
        return Refusal(_("The address changed or was verified otherwise since."))
    return Change(before={"email_verified": True}, after={"email_verified": False})


def _write_unverify(changes: Sequence[tuple[VerifyRow, Change]], act: ActContext) -> dict[int, Any]:
    addresses.set_verified([row.target_id for row, _change in changes], None)
    return {}


# users.resend_verification


def _decide_resend(row: VerifyRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if mailed := [change for change, end in row.pending if now < end]:
        return Change(before={}, after={"verification": "mailed"}, data=mailed[0])
    if row.state != _BOUNCING and (why := addresses.why_no_mail(row.email, row.state)):
        return Refusal(why)
    if why := addresses.why_no_mail(row.email, _OK):
        return Refusal(why)
    if row.state == _OK and row.verified_at is not None:
        return None
    return Change(
        before={"email_state": row.state}, after={"email_state": _OK, "verification": "mailed"}
    )


def _write_resend(changes: Sequence[tuple[VerifyRow, Change]], act: ActContext) -> dict[int, Any]:
    present = [row.target_id for row, change in changes if change.data is None]
    addresses.clear_bounces(present)
    mail.send_many("verify_email", present, now=act.now)
    on_their_way = [change.data for _row, change in changes if change.data is not None]
    mail.send_many("verify_new_email", on_their_way, now=act.now)
    return {}


VERIFY = Procedure(
    code="users.verify_email", load=_load, decide=_decide_verify, write=_write_verify
)
UNVERIFY = Procedure(
    code="users.verify_email", load=_load, decide=_decide_unverify, write=_write_unverify
)
RESEND = Procedure(
    code="users.resend_verification", load=_load, decide=_decide_resend, write=_write_resend
)


def verify_email(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Take the address of each of these users as verified, on somebody's word."""
    moment = now or time_now()
    return execute(VERIFY, users, {}, actor=actor, now=moment, reason=reason, ticket=ticket)


def resend_verification(
    users: Sequence[int],
    *,
    actor: Actor,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Ask each of these users by mail to verify their address: the one they have, or the one that
    is about to take its place. Mail that came back is forgotten; complaints are not."""
    moment = now or time_now()
    return execute(RESEND, users, {}, actor=actor, now=moment, reason=reason, ticket=ticket)


# The letter, and its link


def _bound(user: User, day: date) -> tuple[object, ...]:
    return user.email, day


def letter(user_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letter that asks to verify the address one has."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or user.email is None or user.closed_at is not None:
        return None
    token = tokens.make(_PURPOSE, user.pk, *_bound(user, written_at.date()))
    if by_token(token, now=now) is None:
        return None
    return Letter(
        to=user.email,
        context={"name": mail.one_line(user.username)},
        link=mail.link_to("account:verify_email", token),
        link_label=_("Verify this address"),
    )


def by_token(token: str, *, now: datetime, lock: bool = False) -> User | None:
    """Whose address a genuine token verifies; None for any other, for one of an address that is no
    longer theirs, and for one that is older than two days."""
    people = User.objects.select_for_update(no_key=True) if lock else User.objects.all()
    row = tokens.row_of(token)
    user = people.filter(pk=row, closed_at=None).first() if row is not None else None
    if user is None:
        return None
    days = [now.date() - timedelta(days=age) for age in range(DAYS)]
    genuine = any(tokens.is_genuine(token, _PURPOSE, *_bound(user, day)) for day in days)
    return user if genuine else None


@transaction.atomic
def verify_present(token: str, *, now: datetime) -> bool:
    """The owner of this token reads the address: it is verified. Whether there was such a token;
    a second time changes nothing."""
    user = by_token(token, now=now, lock=True)
    if user is None:
        return False
    if user.email_verified_at is None:
        addresses.mark_verified(user, now=now)
        target = ("user", user.pk, user.username)
        changes = {"email_verified": [False, True]}
        record.entry("account.verify_email", actor=user, now=now, target=target, changes=changes)
    return True
