"""How restrictions are imposed and lifted: the procedures behind ``users.suspend`` and
``users.lift_restriction``. The only module that writes restrictions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from audit.models import Act
from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users.accounts import how_many
from users.models import ApiKey, Restriction, Session, User
from users.staff import staffing

SUSPENSION = Restriction.Kind.SUSPENSION.value
_END_ACCESS = ("users.suspend", "users.close")
# Who waited for somebody else's act was asked before it, and yet does not come before it: what that
# act imposed holds for them too.
_AT_ONCE = timedelta(minutes=1)
_IMPOSE = """
INSERT INTO users_restriction (user_id, kind, reason_id, public_text, internal_note, evidence,
                               starts_at, ends_at, issuer_id, act_id, lifted_reason)
SELECT user_id, %(kind)s, %(reason)s, %(public_text)s, %(internal_note)s, '[]', %(now)s,
       %(ends_at)s, %(issuer)s, %(act)s, ''
  FROM unnest(%(ids)s::bigint[]) AS w (user_id)
RETURNING user_id, id
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An unlifted restriction of a user that has not ended."""

    id: int
    kind: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None

    def as_text(self) -> str:
        return describe(self.reason, self.ends_at)


@dataclass(frozen=True, slots=True)
class AccessRow:
    """A user before a restriction is imposed or lifted. ``is_last``: no usable super admin would be
    left without them."""

    target_id: int
    closed: bool
    held: tuple[Held, ...]
    sessions: int
    keys: int
    is_last: bool = False


def describe(reason: str, ends_at: datetime | None) -> str:
    """A restriction in the words of the audit log: ``spam until 2026-12-12T14:00Z``."""
    if ends_at is None:
        return f"{reason}, permanent"
    return f"{reason} until {ends_at:%Y-%m-%dT%H:%MZ}"


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[AccessRow]:
    held = (
        Restriction.objects.filter(user=OuterRef("pk"), lifted_at__isnull=True)
        .order_by("pk")
        .values(
            json=JSONObject(
                id="pk", kind="kind", reason="reason_id", starts_at="starts_at", ends_at="ends_at"
            )
        )
    )
    people = (
        User.objects.filter(among("pk", ids))
        .order_by("pk")
        .annotate(
            held=ArraySubquery(held),
            session_count=how_many(Session.objects.filter(user=OuterRef("pk"))),
            key_count=how_many(ApiKey.objects.filter(user=OuterRef("pk"), revoked_at__isnull=True)),
        )
    )
    if lock:
        people = people.select_for_update(no_key=True, of=("self",))
    return [
        AccessRow(pk, closed_at is not None, tuple(map(_held, held)), sessions, keys)
        for pk, closed_at, held, sessions, keys in people.values_list(
            "pk", "closed_at", "held", "session_count", "key_count"
        )
    ]


def _held(json: Mapping[str, Any]) -> Held:
    starts_at = parse_datetime(json["starts_at"])
    assert starts_at is not None
    ends_at = parse_datetime(json["ends_at"]) if json["ends_at"] else None
    return Held(json["id"], json["kind"], json["reason"], starts_at, ends_at)


def _live(row: AccessRow, kind: str, now: datetime) -> list[Held]:
    return [
        held
        for held in row.held
        if held.kind == kind
        and held.starts_at <= now + _AT_ONCE
        and (held.ends_at is None or now < held.ends_at)
    ]


def _as_texts(restrictions: Iterable[Held]) -> str | None:
    return "; ".join(held.as_text() for held in restrictions) or None


# users.suspend


def _load_suspend(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[AccessRow]:
    last = staffing.last_super_admins(ids, lock=lock)
    rows = _load(ids, lock=lock, params=params)
    return [replace(row, is_last=row.target_id in last) for row in rows] if last else rows


def _decide_suspend(row: AccessRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    ends_at, reason = params["ends_at"], params["reason_code"]
    if row.closed:
        return Refusal(_("The account is closed."))
    if ends_at is not None and ends_at <= now:
        return Refusal(_("The end of the suspension lies in the past."))
    if row.is_last:
        return staffing.keeps_the_last()
    live = _live(row, SUSPENSION, now)
    if any(held.reason == reason and _lasts(held, ends_at) for held in live):
        return None
    new = describe(reason, ends_at)
    return Change(
        before={"suspension": _as_texts(live), "sessions": row.sessions, "api_keys": row.keys},
        after={
            "suspension": "; ".join([*(held.as_text() for held in live), new]),
            "sessions": 0,
            "api_keys": 0,
        },
    )


def _lasts(held: Held, ends_at: datetime | None) -> bool:
    """Whether a restriction holds as long as a new one would; within a minute, because who presses
    twice means one."""
    if held.ends_at is None or ends_at is None:
        return held.ends_at is None
    return held.ends_at >= ends_at - _AT_ONCE


def _write_suspend(changes: Sequence[tuple[AccessRow, Change]], act: ActContext) -> dict[int, Any]:
    imposed = suspend([row.target_id for row, _change in changes], act)
    return {user_id: {"restrictions": [pk]} for user_id, pk in imposed.items()}


def suspend(ids: Sequence[int], act: ActContext) -> dict[int, int]:
    """Write a suspension for each of these users, as the act's parameters say, and end their
    access. Returns the restriction of each user, by id. For this module and the importer, which
    bring their own record."""
    with connection.cursor() as cursor:
        cursor.execute(
            _IMPOSE,
            {
                "ids": list(ids),
                "kind": SUSPENSION,
                "reason": act.params["reason_code"],
                "public_text": act.params.get("public_text", ""),
                "internal_note": act.params.get("internal_note", ""),
                "now": act.now,
                "ends_at": act.params["ends_at"],
                "issuer": act.actor.pk,
                "act": act.id,
            },
        )
        imposed = dict(cursor.fetchall())
    end_access(ids, act)
    return imposed


def end_access(ids: Sequence[int], act: ActContext) -> None:
    """End every session and API key of these users, in two statements; keys remember the act that
    ended them."""
    Session.objects.filter(among("user_id", ids)).delete()
    ApiKey.objects.filter(among("user_id", ids), revoked_at__isnull=True).update(
        revoked_at=act.now, revoked_by_act=act.id
    )


# users.lift_restriction


def _decide_lift(row: AccessRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    live = _live(row, params["kind"], now)
    lifted = [held for held in live if params["reason_code"] in ("", held.reason)]
    if not lifted:
        return None
    kept = [held for held in live if held not in lifted]
    return Change(
        before={params["kind"]: _as_texts(live)},
        after={params["kind"]: _as_texts(kept)},
        data=[held.id for held in lifted],
    )


def _write_lift(changes: Sequence[tuple[AccessRow, Change]], act: ActContext) -> dict[int, Any]:
    lifted = [pk for _row, change in changes for pk in change.data]
    lift(lifted, act)
    return {row.target_id: {"restrictions": change.data} for row, change in changes}


def lift(restrictions: Sequence[int], act: ActContext) -> None:
    """Lift these restrictions. For this module and the importer, as ``suspend``."""
    Restriction.objects.filter(among("id", restrictions)).update(
        lifted_at=act.now,
        lifted_by_id=act.actor.pk,
        lifted_act_id=act.id,
        lifted_reason=act.reason,
    )


def newest_restriction(row: AccessRow) -> int:
    """The version of a user's restrictions: a lift confirmed after another restriction was imposed
    is refused."""
    return max((held.id for held in row.held), default=0)


# The inverses, over the receipts of the act they undo


@dataclass(frozen=True, slots=True)
class UndoRow:
    """The restrictions that an act imposed on, or lifted from, one user, and their access, as they
    are now. ``taken_keys``: how many keys would come back (see ``taken_keys``)."""

    target_id: int
    restrictions: tuple[Restriction, ...]
    access: AccessRow
    taken_keys: int
    is_last: bool = False

    def others(self, kind: str, now: datetime) -> list[Held]:
        """What holds beside them."""
        mine = {restriction.pk for restriction in self.restrictions}
        return [held for held in _live(self.access, kind, now) if held.id not in mine]


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[UndoRow]:
    access = _load(ids, lock=lock, params=params)
    wanted = [pk for target in ids for pk in params["receipts"][target]["restrictions"]]
    rows = Restriction.objects.filter(pk__in=wanted).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    by_user: dict[int, list[Restriction]] = {target: [] for target in ids}
    for restriction in rows:
        by_user[restriction.user_id].append(restriction)
    keys = taken_keys(ids, params["act"])
    return [
        UndoRow(row.target_id, tuple(by_user[row.target_id]), row, keys.get(row.target_id, 0))
        for row in access
    ]


def _with(others: Sequence[Held], restrictions: Iterable[Restriction]) -> str:
    """What holds beside these restrictions, and these."""
    mine = (describe(each.reason_id, each.ends_at) for each in restrictions)
    return "; ".join([*(held.as_text() for held in others), *mine])


def _decide_undo_suspend(row: UndoRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    if any(restriction.lifted_at is not None for restriction in row.restrictions):
        return Refusal(_("The suspension was lifted since."))
    others = row.others(SUSPENSION, now)
    stay_out = row.access.closed or others
    return Change(
        before={"suspension": _with(others, row.restrictions), "api_keys": row.access.keys},
        after={
            "suspension": _as_texts(others),
            "api_keys": row.access.keys + (0 if stay_out else row.taken_keys),
        },
        data=[restriction.pk for restriction in row.restrictions],
    )


def _write_undo_suspend(
    changes: Sequence[tuple[UndoRow, Change]], act: ActContext
) -> dict[int, Any]:
    """Sessions stay ended: people sign in again."""
    lift([pk for _row, change in changes for pk in change.data], act)
    give_back_keys([row.target_id for row, _change in changes], act)
    return {row.target_id: {"restrictions": change.data} for row, change in changes}


def taken_keys(ids: Sequence[int], act_id: uuid.UUID) -> dict[int, int]:
    """For each user how many keys this act revoked, or another one that was undone meanwhile: those
    that ``give_back_keys`` brings back."""
    counted = _taken(ids, act_id).order_by().values("user").annotate(n=Count("pk"))
    return dict(counted.values_list("user", "n"))


def _taken(ids: Iterable[int] | QuerySet[User], act_id: uuid.UUID | None) -> QuerySet[ApiKey]:
    undone = Act.objects.filter(code__in=_END_ACCESS, undoes__isnull=False).values("undoes")
    return ApiKey.objects.filter(
        Q(revoked_by_act=act_id) | Q(revoked_by_act__in=undone), user__in=ids
    )


def give_back_keys(ids: Sequence[int], act: ActContext) -> None:
    """While an act is undone: the keys that it revoked, or another one that was undone meanwhile,
    work again, unless the account is closed or a suspension still holds."""
    freed = User.objects.filter(pk__in=ids, closed_at__isnull=True)
    for moment in (act.now, act.now + _AT_ONCE):
        freed = freed.unrestricted(SUSPENSION, moment)
    _taken(freed, act.undoes).update(revoked_at=None, revoked_by_act=None)


def _is_over(restriction: Restriction, now: datetime) -> bool:
    return restriction.ends_at is not None and restriction.ends_at <= now


def _load_undo_lift(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[UndoRow]:
    last = staffing.last_super_admins(ids, lock=lock)
    rows = _load_undo(ids, lock=lock, params=params)
    return [replace(row, is_last=row.target_id in last) for row in rows] if last else rows


def _decide_undo_lift(row: UndoRow, params: Mapping[str, Any], now: datetime) -> Verdict:
    act: uuid.UUID = params["act"]
    if any(restriction.lifted_act_id != act for restriction in row.restrictions):
        return Refusal(_("The restriction changed since."))
    back = [restriction for restriction in row.restrictions if not _is_over(restriction, now)]
    if not back:
        return Refusal(_("The restriction would have ended by now."))
    if row.is_last:
        return staffing.keeps_the_last()
    kind = back[0].kind
    others = row.others(kind, now)
    before: dict[str, Any] = {kind: _as_texts(others)}
    after: dict[str, Any] = {kind: _with(others, back)}
    if kind == SUSPENSION:
        before |= {"sessions": row.access.sessions, "api_keys": row.access.keys}
        after |= {"sessions": 0, "api_keys": 0}
    return Change(before, after, data=[restriction.pk for restriction in row.restrictions])


def _write_undo_lift(changes: Sequence[tuple[UndoRow, Change]], act: ActContext) -> dict[int, Any]:
    Restriction.objects.filter(
        pk__in=[pk for _row, change in changes for pk in change.data]
    ).update(lifted_at=None, lifted_by=None, lifted_act_id=None, lifted_reason="")
    suspended = [row.target_id for row, change in changes if SUSPENSION in change.after]
    end_access(suspended, act)
    return {row.target_id: {"restrictions": change.data} for row, change in changes}


SUSPEND = Procedure(
    code="users.suspend", load=_load_suspend, decide=_decide_suspend, write=_write_suspend
)
UNDO_SUSPEND = Procedure(
    code="users.suspend",
    load=_load_undo,
    decide=_decide_undo_suspend,
    write=_write_undo_suspend,
)
LIFT = Procedure(
    code="users.lift_restriction",
    load=_load,
    decide=_decide_lift,
    write=_write_lift,
    version=newest_restriction,
)
UNDO_LIFT = Procedure(
    code="users.lift_restriction",
    load=_load_undo_lift,
    decide=_decide_undo_lift,
    write=_write_undo_lift,
)
