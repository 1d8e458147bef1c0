"""Resetting the second factor of somebody who lost it: the procedure behind
``users.reset_second_factor``, and its undo. It takes effect a day later (``taking``); the person is
told at once, and can keep what they have (``cancelling``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit.execution import execute
from audit.people import Actor
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from audit.targets import among, array
from coai_admin.console.statements import statement
from users import factor_resets, mail
from users.accounts import how_many
from users.models import SecondFactorReset, Session, User
from users.second_factor import authenticators


@dataclass(frozen=True, slots=True)
class Factored:
    """A user, since when they have a second factor, how many sessions, and when the reset that was
    asked for takes effect; None where none waits."""

    target_id: int
    closed: bool
    since: datetime | None
    sessions: int
    due_at: datetime | None


def load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Factored]:
    """These users in id order, in one statement."""
    rows: Iterable[Any] = (
        _facts(array(ids))
        if not lock
        else _people(ids).select_for_update(no_key=True, of=("self",))
    )
    return [Factored(pk, closed_at is not None, *facts) for pk, closed_at, *facts in rows]


def _people(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(
            since=authenticators.since(OuterRef("pk")),
            n=how_many(Session.objects.filter(user=OuterRef("pk"))),
            due_at=factor_resets.waiting(OuterRef("pk")),
        )
    )
    return people.values_list("pk", "closed_at", "since", "n", "due_at")


_facts = statement(_people)


def takes_effect(moment: datetime | None) -> str | None:
    """A reset that waits, in the words of the audit log."""
    return f"takes effect {moment:%Y-%m-%dT%H:%MZ}" if moment else None


def _decide(row: Factored, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if row.due_at is not None:
        return Refusal(_asked_already(row.due_at), reason=_("It was asked for already."))
    if row.since is None:
        return None
    return Change(
        before={"second_factor_reset": None},
        after={"second_factor_reset": takes_effect(now + factor_resets.WAIT)},
    )


def _asked_already(due_at: datetime) -> str:
    words = {
        "asked": date_format(due_at - factor_resets.WAIT, "j M Y, H:i"),
        "due": date_format(due_at, "j M Y, H:i"),
    }
    return _("It was asked for on %(asked)s UTC and takes effect on %(due)s UTC.") % words


def _write(changes: Sequence[tuple[Factored, Change]], act: ActContext) -> dict[int, Any]:
    ids = [row.target_id for row, _change in changes]
    asked = factor_resets.ask(ids, act_id=act.id, now=act.now)
    mail.send_many("second_factor_reset_asked", [reset.pk for reset in asked], now=act.now)
    return {reset.user_id: {"reset": reset.pk} for reset in asked}


# Undo: cancel while it waits


@dataclass(frozen=True, slots=True)
class Asked:
    """The reset that an act asked for, as it is now; None where it took effect at once."""

    target_id: int
    reset: SecondFactorReset | None


def _load_asked(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Asked]:
    undo = params["receipts"]
    wanted = [undo[target]["reset"] for target in ids if undo[target]]
    rows = SecondFactorReset.objects.filter(pk__in=wanted).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    resets = {reset.user_id: reset for reset in rows}
    return [Asked(target, resets.get(target)) for target in sorted(ids)]


def _decide_undo(row: Asked, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.reset is None or row.reset.done_at is not None:
        return Refusal(_("The second factor was taken already."))
    if row.reset.cancelled_at is not None:
        return Refusal(_("The reset was cancelled since."))
    return Change(
        before={"second_factor_reset": takes_effect(row.reset.due_at)},
        after={"second_factor_reset": None},
    )


def _write_undo(changes: Sequence[tuple[Asked, Change]], act: ActContext) -> dict[int, Any]:
    factor_resets.cancel([row.target_id for row, _change in changes], now=act.now)
    return {}


RESET = Procedure(code="users.reset_second_factor", load=load, decide=_decide, write=_write)
UNDO_RESET = Procedure(
    code="users.reset_second_factor", load=_load_asked, decide=_decide_undo, write=_write_undo
)


def reset_second_factor(
    users: Sequence[int],
    *,
    actor: Actor,
    identity_proof: str,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Ask for the second factor and the recovery codes of this user to be taken, 24 hours from
    now, and write to them about it at once: until then they can keep them by the letter's link, or
    on their own page. Sessions last until then. ``identity_proof``: how the one who asked proved to
    be them."""
    return execute(
        RESET,
        users,
        {"identity_proof": identity_proof},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )
