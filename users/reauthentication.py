"""How people are made to sign in anew, or to choose a new password: the procedures behind
``users.end_sessions`` and ``users.require_password_change``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users.models import Session, User
from users.sessions import end_sessions


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user and how many sessions they have."""

    target_id: int
    sessions: int


def _load_sessions(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[SignedIn]:
    sessions = Session.objects.filter(user=OuterRef("pk")).order_by()
    number = Subquery(sessions.values("user").annotate(n=Count("pk")).values("n"))
    people = User.objects.filter(among("pk", ids)).order_by("pk")
    return [SignedIn(*row) for row in people.annotate(n=Coalesce(number, 0)).values_list("pk", "n")]


def _decide_end(row: SignedIn, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.sessions == 0:
        return None
    return Change(before={"sessions": row.sessions}, after={"sessions": 0})


def _write_end(changes: Sequence[tuple[SignedIn, Change]], act: ActContext) -> dict[int, Any]:
    end_sessions([row.target_id for row, _change in changes])
    return {}


@dataclass(frozen=True, slots=True)
class Passworded:
    """A user and what is known of the password."""

    target_id: int
    closed_at: datetime | None
    usable: bool
    must_change: bool
    changed_at: datetime | None


def _load_passwords(
    ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]
) -> list[Passworded]:
    people = User.objects.filter(among("pk", ids)).order_by("pk")
    if lock:
        people = people.select_for_update(no_key=True)
    return [
        Passworded(pk, closed, _is_usable(password), must, changed)
        for pk, closed, password, must, changed in people.values_list(
            "pk", "closed_at", "password", "must_change_password", "password_changed_at"
        )
    ]


def _is_usable(password: str) -> bool:
    return bool(password) and not password.startswith(UNUSABLE_PASSWORD_PREFIX)


def _decide_require(row: Passworded, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.closed_at is not None:
        return Refusal(_("The account is closed."))
    if not row.usable:
        return Refusal(_("There is no password to change; send a password link instead."))
    if row.must_change:
        return None
    return Change(before={"must_change_password": False}, after={"must_change_password": True})


def _write_require(changes: Sequence[tuple[Passworded, Change]], act: ActContext) -> dict[int, Any]:
    _set([row.target_id for row, _change in changes], due=True)
    return {row.target_id: {"changed_at": _as_text(row.changed_at)} for row, _change in changes}


def _as_text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _set(ids: Sequence[int], *, due: bool) -> None:
    User.objects.filter(among("pk", ids)).update(must_change_password=due)


def _decide_undo(row: Passworded, params: Mapping[str, Any], now: datetime) -> Verdict:
    if (
        not row.must_change
        or _as_text(row.changed_at) != params["receipts"][row.target_id]["changed_at"]
    ):
        return Refusal(_("The password was changed since."))
    return Change(before={"must_change_password": True}, after={"must_change_password": False})


def _write_undo(changes: Sequence[tuple[Passworded, Change]], act: ActContext) -> dict[int, Any]:
    _set([row.target_id for row, _change in changes], due=False)
    return {row.target_id: {} for row, _change in changes}


END_SESSIONS = Procedure(
    code="users.end_sessions", load=_load_sessions, decide=_decide_end, write=_write_end
)
REQUIRE_CHANGE = Procedure(
    code="users.require_password_change",
    load=_load_passwords,
    decide=_decide_require,
    write=_write_require,
)
UNDO_REQUIRE_CHANGE = Procedure(
    code="users.require_password_change",
    load=_load_passwords,
    decide=_decide_undo,
    write=_write_undo,
)
