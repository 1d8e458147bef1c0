"""Changing an email address: the procedure behind ``users.change_email``. What its letters and
their links do is in ``users.email.changes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import JSONObject, Lower
from django.utils.dateparse import parse_datetime
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit.execution import execute
from audit.people import Actor
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from audit.targets import among
from users import mail
from users.accounts import how_many
from users.email import addresses
from users.email import changes as email_changes
from users.models import EmailChange, Session, User
from users.sessions.ending import end_sessions


@dataclass(frozen=True, slots=True)
class AddressRow:
    """A user before the address changes. ``pending`` are the changes on their way, as they were
    asked for; ``taken`` whether somebody else has the new address."""

    target_id: int
    email: str | None
    email_state: str
    verified_at: datetime | None
    closed: bool
    pending: tuple[tuple[str, datetime], ...]
    taken: bool


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[AddressRow]:
    pending = EmailChange.objects.filter(email_changes.OPEN, user=OuterRef("pk")).order_by("pk")
    others = User.objects.exclude(pk=OuterRef("pk")).alias(_email=Lower("email"))
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(
            pending=ArraySubquery(
                pending.values(json=JSONObject(to="new_email", end="expires_at"))
            ),
            taken=Exists(others.filter(_email=Lower(Value(params["email"])))),
        )
    )
    if lock:
        people = people.select_for_update(no_key=True, of=("self",))
    columns = ("pk", "email", "email_state", "email_verified_at", "closed_at", "pending", "taken")
    return [
        AddressRow(
            pk,
            email,
            state,
            verified_at,
            closed_at is not None,
            tuple((each["to"], _moment(each["end"])) for each in pending),
            taken,
        )
        for pk, email, state, verified_at, closed_at, pending, taken in people.values_list(*columns)
    ]


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    assert moment is not None
    return moment


def _as_text(moment: datetime | None) -> str:
    """To the microsecond, which JSON would cut off."""
    return moment.isoformat() if moment else ""


def _decide(row: AddressRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    email = params["email"]
    pending = [to for to, end in row.pending if now < end]
    if row.closed:
        return Refusal(_("The account is closed."))
    if row.taken:
        return Refusal(_("Somebody else has this address."))
    if email == row.email or email in pending:
        return None
    return Change(
        before={"email_change": pending[0] if pending else None}, after={"email_change": email}
    )


def _write(changes: Sequence[tuple[AddressRow, Change]], act: ActContext) -> dict[int, Any]:
    email_changes.cancel([row.target_id for row, _change in changes], now=act.now)
    made = EmailChange.objects.bulk_create(
        EmailChange(
            user_id=row.target_id,
            old_email=row.email,
            new_email=act.params["email"],
            created_at=act.now,
            expires_at=act.now + email_changes.VERIFY_WITHIN,
            act_id=act.id,
        )
        for row, _change in changes
    )
    rows = [change.pk for change in made]
    mail.send_many("verify_new_email", rows, now=act.now)
    mail.send_many("email_changing", rows, now=act.now)
    return {
        row.target_id: {
            "change": change.pk,
            "state": row.email_state,
            "verified": _as_text(row.verified_at),
        }
        for (row, _verdict), change in zip(changes, made, strict=True)
    }


# Undo: cancel while pending, else the old address again


@dataclass(frozen=True, slots=True)
class UndoRow:
    """The change that an act began, as it is now; None when it is gone. ``taken``: somebody else
    has the old address. ``sessions``: how many the user has."""

    target_id: int
    change: EmailChange | None = None
    taken: bool = False
    sessions: int = 0


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[UndoRow]:
    wanted = [params["receipts"][target]["change"] for target in ids]
    others = User.objects.exclude(pk=OuterRef("user")).alias(_email=Lower("email"))
    rows = (
        EmailChange.objects.filter(pk__in=wanted)
        .select_related("user")
        .annotate(
            taken=Exists(others.filter(_email=Lower(OuterRef("old_email")))),
            sessions=how_many(Session.objects.filter(user=OuterRef("user"))),
        )
        .order_by("pk")
    )
    if lock:
        rows = rows.select_for_update(no_key=True, of=("self",))
    found = {
        change.user_id: UndoRow(change.user_id, change, change.taken, change.sessions)
        for change in rows
    }
    return [found.get(target, UndoRow(target)) for target in sorted(ids)]


def _decide_undo(row: UndoRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    change = row.change
    if change is None or change.cancelled_at is not None or change.undone_at is not None:
        return Refusal(_("The change was cancelled or undone since."))
    if change.verified_at is None:
        if now >= change.expires_at:
            return Refusal(_("The change was not verified in time; nothing came of it."))
        return Change(before={"email_change": change.new_email}, after={"email_change": None})
    if change.user.email != change.new_email:
        return Refusal(_("The address changed again since."))
    if row.taken:
        return Refusal(_("Somebody else has the old address now."))
    return Change(
        before={"email": change.new_email, "sessions": row.sessions},
        after={"email": change.old_email, "sessions": 0},
    )


def _write_undo(changes: Sequence[tuple[UndoRow, Change]], act: ActContext) -> dict[int, Any]:
    for row, _verdict in changes:  # one: addresses are changed one at a time
        change, was = row.change, act.params["receipts"][row.target_id]
        assert change is not None
        if change.verified_at is None:
            email_changes.cancel([row.target_id], now=act.now)
            continue
        verified = _moment(was["verified"]) if was["verified"] else None
        addresses.readdress(
            change.user, change.old_email, verified_at=verified, state=was["state"], now=act.now
        )
        end_sessions([row.target_id])
        EmailChange.objects.filter(pk=change.pk).update(undone_at=act.now)
    return {}


CHANGE = Procedure(
    code="users.change_email",
    load=_load,
    decide=_decide,
    write=_write,
    personal=frozenset({"email_change", "email"}),
)
UNDO_CHANGE = Procedure(
    code="users.change_email",
    load=_load_undo,
    decide=_decide_undo,
    write=_write_undo,
    personal=frozenset({"email_change", "email"}),
)


def change_email(
    users: Sequence[int],
    *,
    actor: Actor,
    email: str,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Ask for another address for this user. Nothing changes until the link mailed to it is
    followed, within 48 hours; the old address is told and can stop it. An earlier change that is
    pending is cancelled."""
    return execute(
        CHANGE,
        users,
        {"email": email},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
