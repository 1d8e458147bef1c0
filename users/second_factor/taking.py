"""Taking a second factor: when the day of its reset is over, or at once from the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record
from audit.execution import execute
from audit.people import SYSTEM
from audit.procedures import ActContext, Change, Procedure, Receipts, Refusal, Verdict
from users import factor_resets, mail
from users.models import SecondFactorReset, User
from users.second_factor import authenticators, resets
from users.second_factor.resets import Factored
from users.sessions.ending import end_sessions


def _take(users: Sequence[int], *, now: datetime) -> int:
    """The second factor and the recovery codes of these users go, and their sessions, whose number
    is returned; they are told by mail."""
    authenticators.remove(users)
    ended = end_sessions(users)
    mail.send_many("second_factor_reset", users, now=now)
    return ended


# When it is due


def take_due(*, now: datetime) -> int:
    """Carry out the resets that are due; returns how many. Each is a transaction of its own, and
    is judged anew under lock: run twice, or by two at once, it is done once."""
    return sum(_take_one(reset, now=now) for reset in factor_resets.due(now))


@transaction.atomic
def _take_one(reset: SecondFactorReset, *, now: datetime) -> bool:
    user = User.objects.select_for_update(no_key=True).get(pk=reset.user_id)
    reset = SecondFactorReset.objects.select_for_update(no_key=True).get(pk=reset.pk)
    if not factor_resets.is_open(reset):
        return False
    has = authenticators.enrolment(user)
    if user.closed_at is not None or has is None:  # nothing that anybody could still want
        factor_resets.cancel([user.pk], now=now)
        return False
    factor_resets.note_done(reset, now)
    ended = _take([user.pk], now=now)
    record.entry(
        "users.take_second_factor",
        actor=SYSTEM,
        now=now,
        target=("user", user.pk, user.username),
        changes={"second_factor": [_since(has.since), None], "sessions": [ended, 0]},
        act_id=reset.act_id,
    )
    return True


def _since(moment: datetime) -> str:
    return f"since {moment:%Y-%m-%d}"


# At once


def _decide(row: Factored, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed:
        return Refusal(_("The account is closed."))
    if row.since is None:
        return None
    before = {"second_factor": _since(row.since), "sessions": row.sessions}
    after = {"second_factor": None, "sessions": 0}
    if row.due_at is None:
        return Change(before, after)
    waiting = {"second_factor_reset": resets.takes_effect(row.due_at)}
    return Change(before | waiting, after | dict.fromkeys(waiting))


def _write(changes: Sequence[tuple[Factored, Change]], act: ActContext) -> dict[int, Any]:
    ids = [row.target_id for row, _change in changes]
    factor_resets.cancel(ids, now=act.now)
    _take(ids, now=act.now)
    return {}


TAKE_AT_ONCE = Procedure(
    code="users.reset_second_factor", load=resets.load, decide=_decide, write=_write
)


def take_at_once(user_id: int, *, identity_proof: str, reason: str) -> Receipts:
    """Take the second factor of this user without the day of waiting, for whoever has the server in
    their hands. A reset that waits is cancelled by it. There is no undo."""
    params = {"identity_proof": identity_proof}
    return execute(TAKE_AT_ONCE, [user_id], params, actor=SYSTEM, now=time_now(), reason=reason)
