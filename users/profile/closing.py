"""How accounts are closed and reopened: the procedures behind ``users.close`` and ``users.reopen``.
The only module that writes ``closed_at``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among, array
from users import accounts, factor_resets
from users.accounts import Account
from users.models import User
from users.restrictions.restricting import end_access, give_back_keys, taken_keys
from users.roles import Role

_CLOSED_AS_BEFORE = """
UPDATE users_user AS u SET closed_at = w.closed_at
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS w (id, closed_at) WHERE u.id = w.id
"""


def _decide(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is not None:
        return None
    if row.role != Role.NONE:
        return Refusal(_("Staff: revoke the role first."))
    return Change(
        before={"closed": False, "sessions": row.sessions, "api_keys": row.keys},
        after={"closed": True, "sessions": 0, "api_keys": 0},
    )


def _write(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    ids = [row.target_id for row, _change in changes]
    User.objects.filter(among("pk", ids)).update(closed_at=act.now)
    end_access(ids, act)
    factor_resets.cancel(ids, now=act.now)
    return {target: {"closed_at": act.now.isoformat()} for target in ids}


def reopen(ids: Sequence[int]) -> None:
    """Open these accounts. For this module and create_super_admin, which brings its own record."""
    User.objects.filter(among("pk", ids)).update(closed_at=None)


@dataclass(frozen=True, slots=True)
class Closed:
    """An account before it is opened again, and how many keys that gives back."""

    target_id: int
    account: Account
    keys_back: int


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Closed]:
    rows = accounts.load(ids, lock=lock, params=params)
    taken = taken_keys(ids, params["act"])
    return [
        Closed(row.target_id, row, 0 if row.suspended else taken.get(row.target_id, 0))
        for row in rows
    ]


def _decide_undo(row: Closed, params: Mapping[str, Any], now: datetime) -> Verdict:
    closed_at, keys = row.account.closed_at, row.account.keys
    closed = closed_at.isoformat() if closed_at else None
    if closed != params["receipts"][row.target_id]["closed_at"]:
        return Refusal(_("The account was reopened since."))
    return Change(
        before={"closed": True, "api_keys": keys},
        after={"closed": False, "api_keys": keys + row.keys_back},
    )


def _write_undo(changes: Sequence[tuple[Closed, Change]], act: ActContext) -> dict[int, Any]:
    """Sessions stay ended: people sign in again."""
    ids = [row.target_id for row, _change in changes]
    reopen(ids)
    give_back_keys(ids, act)
    return {target: {} for target in ids}


# users.reopen


def _decide_reopen(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is None:
        return None
    return Change(before={"closed": True}, after={"closed": False}, data=row.closed_at.isoformat())


def _write_reopen(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    """Keys stay revoked, as sessions stay ended: nobody may remember who has them by now."""
    reopen([row.target_id for row, _change in changes])
    return {row.target_id: {"closed_at": change.data} for row, change in changes}


def _decide_undo_reopen(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is not None:
        return Refusal(_("The account was closed since."))
    return _decide(row, params, now)


def _write_undo_reopen(
    changes: Sequence[tuple[Account, Change]], act: ActContext
) -> dict[int, Any]:
    """Closed since when they were before."""
    written = _write(changes, act)
    moments = [act.params["receipts"][target]["closed_at"] for target in written]
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED_AS_BEFORE, [array(written), moments])
    return {target: {} for target in written}


CLOSE = Procedure(code="users.close", load=accounts.load, decide=_decide, write=_write)
UNDO_CLOSE = Procedure(code="users.close", load=_load_undo, decide=_decide_undo, write=_write_undo)
REOPEN = Procedure(
    code="users.reopen", load=accounts.load, decide=_decide_reopen, write=_write_reopen
)
UNDO_REOPEN = Procedure(
    code="users.reopen",
    load=accounts.load,
    decide=_decide_undo_reopen,
    write=_write_undo_reopen,
)
