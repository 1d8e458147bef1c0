"""How people are made to sign in anew, or to choose a new password: the procedures behind
``users.end_sessions`` and ``users.require_password_change``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users import accounts
from users.accounts import Account
from users.models import User
from users.sessions.ending import end_sessions


def _decide_end(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.sessions == 0:
        return None
    return Change(before={"sessions": row.sessions}, after={"sessions": 0})


def _write_end(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    end_sessions([row.target_id for row, _change in changes])
    return {}


def _decide_require(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is not None:
        return Refusal(_("The account is closed."))
    if not row.has_password:
        return Refusal(_("There is no password to change; send a password link instead."))
    if row.must_change_password:
        return None
    return Change(before={"must_change_password": False}, after={"must_change_password": True})


def _write_require(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    _set([row.target_id for row, _change in changes], due=True)
    return {row.target_id: {"changed_at": _changed_at(row)} for row, _change in changes}


def _changed_at(row: Account) -> str | None:
    return row.password_changed_at.isoformat() if row.password_changed_at else None


def _set(ids: Sequence[int], *, due: bool) -> None:
    User.objects.filter(among("pk", ids)).update(must_change_password=due)


def _decide_undo(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    then = params["receipts"][row.target_id]["changed_at"]
    if not row.must_change_password or _changed_at(row) != then:
        return Refusal(_("The password was changed since."))
    return Change(before={"must_change_password": True}, after={"must_change_password": False})


def _write_undo(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    _set([row.target_id for row, _change in changes], due=False)
    return {row.target_id: {} for row, _change in changes}


END_SESSIONS = Procedure(
    code="users.end_sessions", load=accounts.load, decide=_decide_end, write=_write_end
)
REQUIRE_CHANGE = Procedure(
    code="users.require_password_change",
    load=accounts.load,
    decide=_decide_require,
    write=_write_require,
)
UNDO_REQUIRE_CHANGE = Procedure(
    code="users.require_password_change",
    load=accounts.load,
    decide=_decide_undo,
    write=_write_undo,
)
