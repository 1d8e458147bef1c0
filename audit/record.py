"""Writing the record: acts, receipts and audit entries, in the caller's transaction. A failure
here aborts the act."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import F

from audit.models import Act, Receipt
from audit.people import Actor
from audit.procedures import ActContext, TargetReceipt
from coai_admin.console import circumstances

_ENTRY = """COPY audit_entry (id, created_at, act_id, action, actor_id, target_type, target_id,
         changes, reason,
    ticket, request_id) FROM STDIN"""
_PERSONAL = (
    "COPY audit_personal (entry_id, created_at, actor_name, target_name, ip, changes) FROM STDIN"
)
_RECEIPT = "COPY audit_receipt (act_id, target_id, outcome, refusal, undo) FROM STDIN"


class _Encoder(DjangoJSONEncoder):
    """Decimals as plain digits without trailing zeros: 50, not 5E+1 or 50.000000."""

    def default(self, o: Any) -> Any:
        return format(o.normalize(), "f") if isinstance(o, Decimal) else super().default(o)


_encode = _Encoder(ensure_ascii=False, sort_keys=True).encode


def as_json(value: Any) -> str:
    """The JSON in which changes and parameters are kept."""
    return _encode(value)


def acts(
    act: ActContext,
    receipts: Sequence[TargetReceipt],
    undo: Mapping[int, Any],
    *,
    personal: frozenset[str],
    first: bool,
) -> None:
    """Store one chunk of an act: its row (``first``) or grown counts, a receipt per target, an
    entry per change."""
    _act_row(act, receipts, personal=personal, first=first)
    _copy(_RECEIPT, [_receipt(act, row, undo) for row in receipts])
    changed = [row for row in receipts if row.outcome == Receipt.Outcome.CHANGED]
    request_id, ip = circumstances.request_id(), circumstances.ip()
    entries, private = [], []
    for entry_id, row in zip(_entry_ids(len(changed)), changed, strict=True):
        public, hidden = _changes(row, personal)
        entries.append(
            (
                entry_id,
                act.now,
                act.id,
                act.code,
                act.actor.pk,
                "user",
                row.target_id,
                as_json(public),
                act.reason,
                act.ticket,
                request_id,
            )
        )
        erasable = as_json(hidden) if hidden else None
        private.append((entry_id, act.now, act.actor.username, row.name, ip, erasable))
    _copy(_ENTRY, entries)
    _copy(_PERSONAL, private)


def begin(act: ActContext, *, personal: frozenset[str]) -> None:
    """Store an act that will grow chunk by chunk, before its first one."""
    _act_row(act, (), personal=personal, first=True)


def set_aside(act_id: uuid.UUID, target_id: int, why: str) -> None:
    """Store the receipt of a target that could not be dealt with, whatever stands in its way."""
    _copy(_RECEIPT, [(act_id, target_id, int(Receipt.Outcome.FAILED), why, None)])


def _receipt(act: ActContext, row: TargetReceipt, undo: Mapping[int, Any]) -> tuple[Any, ...]:
    return (
        act.id,
        row.target_id,
        int(row.outcome),
        row.refusal.sentence if row.refusal else "",
        as_json(undo[row.target_id]) if row.target_id in undo else None,
    )


def _changes(row: TargetReceipt, personal: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every field with its value before and after; those that are personal data apart."""
    public: dict[str, Any] = {}
    hidden: dict[str, Any] = {}
    for name in {**row.before, **row.after}:
        pair = [row.before.get(name), row.after.get(name)]
        (hidden if name in personal else public)[name] = pair
    return public, hidden


def entry(
    action: str,
    *,
    actor: Actor,
    now: datetime,
    target: tuple[str, int | None, str] = ("", None, ""),
    changes: Mapping[str, Any] | None = None,
    personal: Mapping[str, Any] | None = None,
    reason: str = "",
    ticket: str = "",
    act_id: uuid.UUID | None = None,
) -> int:
    """Record something that is not an operation: a sign-in, an export, a reveal, an import.
    Returns the entry's id.

    ``target``: (type, id, name as text). ``personal``: what must be erasable with the person.
    """
    target_type, target_id, target_name = target
    [entry_id] = _entry_ids(1)
    _copy(
        _ENTRY,
        [
            (
                entry_id,
                now,
                act_id,
                action,
                actor.pk,
                target_type,
                target_id,
                as_json(changes or {}),
                reason,
                ticket,
                circumstances.request_id(),
            )
        ],
    )
    hidden = as_json(personal) if personal else None
    _copy(_PERSONAL, [(entry_id, now, actor.username, target_name, circumstances.ip(), hidden)])
    return entry_id


def _act_row(
    act: ActContext, receipts: Sequence[TargetReceipt], *, personal: frozenset[str], first: bool
) -> None:
    counts = {
        name: sum(1 for row in receipts if row.outcome == outcome)
        for name, outcome in (
            ("changed", Receipt.Outcome.CHANGED),
            ("unchanged", Receipt.Outcome.UNCHANGED),
            ("refused", Receipt.Outcome.REFUSED),
        )
    }
    if not first:
        Act.objects.filter(pk=act.id).update(
            **{name: F(name) + number for name, number in counts.items()}
        )
        return
    Act.objects.create(
        id=act.id,
        code=act.code,
        actor_id=act.actor.pk,
        actor_name=act.actor.username,
        params=_parameters(act, personal),
        reason=act.reason,
        ticket=act.ticket,
        undoes_id=act.undoes,
        request_id=circumstances.request_id(),
        ip=circumstances.ip(),
        created_at=act.now,
        **counts,
    )


def _parameters(act: ActContext, personal: frozenset[str]) -> Any:
    """The parameters that stand in the act. Personal data stand in the entries alone, apart; what
    an undo undoes stands beside them."""
    left_out = personal | {"receipts", "act"}
    kept = {name: value for name, value in act.params.items() if name not in left_out}
    return json.loads(as_json(kept))


def _entry_ids(number: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('audit_entry_id_seq') FROM generate_series(1, %s)", [number])
        return [row[0] for row in cursor.fetchall()]


def _copy(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
