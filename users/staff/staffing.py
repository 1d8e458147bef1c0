"""How staff roles are granted and revoked: the procedures behind ``users.grant_role`` and
``users.revoke_role``. The only module that writes the role of an account, and the keeper of the
last super admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users import accounts
from users.accounts import Account, is_suspended
from users.models import User
from users.roles import Role
from users.sessions.ending import end_sessions

_LAST_SUPER_LOCK = 4_201_001


def usable_super_admins() -> QuerySet[User]:
    """Those who can run the console: open, not suspended, with a password that can be typed."""
    return (
        User.objects.filter(role=Role.SUPER_ADMIN, closed_at__isnull=True)
        .exclude(password="")
        .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .exclude(is_suspended())
    )


def last_super_admins(ids: Sequence[int], *, lock: bool) -> frozenset[int]:
    """Which of these nobody may disable now, because no usable super admin would be left beside
    them. With ``lock`` other acts that ask for super admins wait until this one is over. One
    statement where no super admin is among them."""
    if not User.objects.filter(among("pk", ids), role=Role.SUPER_ADMIN).exists():
        return frozenset()
    if lock:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LAST_SUPER_LOCK])
    usable = set(usable_super_admins().values_list("pk", flat=True))
    return frozenset() if usable - set(ids) else frozenset(usable & set(ids))


def keeps_the_last() -> Refusal:
    """The refusal for ``last_super_admins``."""
    return Refusal(_("One usable super admin must remain, and there is no other."))


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Account]:
    rows = accounts.load(ids, lock=lock, params=params)
    supers = [row.target_id for row in rows if row.role == Role.SUPER_ADMIN]
    last = last_super_admins(ids, lock=lock) if supers else frozenset()
    return [replace(row, is_last=row.target_id in last) for row in rows] if last else rows


def _decide_grant(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is not None:
        return Refusal(_("The account is closed."))
    if row.suspended:
        return Refusal(_("The account is suspended; lift the suspension first."))
    return _to(row, params["role"])


def _decide_revoke(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    return _to(row, Role.NONE)


def _to(row: Account, role: str) -> Verdict:
    if row.role == role:
        return None
    if row.is_last:
        return keeps_the_last()
    return Change(
        before={"role": row.role, "sessions": row.sessions},
        after={"role": str(role), "sessions": 0},
    )


def _write(changes: Sequence[tuple[Account, Change]], act: ActContext) -> dict[int, Any]:
    roles = {row.target_id: change.after["role"] for row, change in changes}
    for role in sorted(set(roles.values())):  # one, unless an undo brings several back
        set_role([target for target, wanted in roles.items() if wanted == role], role)
    end_sessions(list(roles))
    return {row.target_id: {"was": row.role, "is": change.after["role"]} for row, change in changes}


def set_role(ids: Sequence[int], role: str) -> None:
    """Write the role. For this module and create_super_admin, which end sessions and bring a record
    of their own."""
    User.objects.filter(among("pk", ids)).update(role=role)


def _decide_undo(row: Account, params: Mapping[str, Any], now: datetime) -> Verdict:
    done = params["receipts"][row.target_id]
    if row.role != done["is"]:
        return Refusal(_("The role was changed again since."))
    if done["was"] == Role.SUPER_ADMIN:
        return Refusal(_("A super admin is not brought back by an undo; grant the role anew."))
    if done["was"] != Role.NONE and (row.closed_at is not None or row.suspended):
        return Refusal(_("The account was closed or suspended since."))
    return _to(row, done["was"])


GRANT = Procedure(code="users.grant_role", load=_load, decide=_decide_grant, write=_write)
UNDO_GRANT = Procedure(code="users.grant_role", load=_load, decide=_decide_undo, write=_write)
REVOKE = Procedure(code="users.revoke_role", load=_load, decide=_decide_revoke, write=_write)
UNDO_REVOKE = Procedure(code="users.revoke_role", load=_load, decide=_decide_undo, write=_write)
