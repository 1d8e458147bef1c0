"""What a preview found so far: how many would change, be refused and why, the first changes, and
what they add up to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from audit.procedures import TargetReceipt
from audit.record import as_json

FIRST = 25


def grown(
    forecast: Mapping[str, Any] | None,
    receipts: Sequence[TargetReceipt],
    *,
    personal: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """``forecast`` with what another batch showed: {"first": the first changes, each {"id",
    "before", "after"}, "refused": the first refusals, each {"id", "why"}, "totals": by how much
    each number moves in all, as decimal digits}. Personal fields are left out."""
    known = forecast or {"first": [], "refused": [], "totals": {}}
    first = (
        known["first"]
        + [
            {"id": each.target_id, "before": each.before, "after": each.after}
            for each in receipts
            if each.before != each.after
        ][: max(0, FIRST - len(known["first"]))]
    )
    refused = (
        known["refused"]
        + [
            {"id": each.target_id, "why": each.refusal.sentence}
            for each in receipts
            if each.refusal is not None
        ][: max(0, FIRST - len(known["refused"]))]
    )
    totals = {name: Decimal(total) for name, total in known["totals"].items()}
    for each in receipts:
        for name, change in _moves(each):
            totals[name] = totals.get(name, Decimal(0)) + change
    first = [_without(personal, each) for each in first]
    grown: dict[str, Any] = json.loads(
        as_json({"first": first, "refused": refused, "totals": totals})
    )
    return grown


def _moves(receipt: TargetReceipt) -> list[tuple[str, Decimal]]:
    """By how much each amount of one target moves."""
    return [
        (name, after - before)
        for name, after in receipt.after.items()
        if isinstance(after, Decimal) and isinstance(before := receipt.before.get(name), Decimal)
    ]


def _without(personal: frozenset[str], change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: one for key, one in value.items() if key not in personal}
        if isinstance(value, dict)
        else value
        for name, value in change.items()
    }
