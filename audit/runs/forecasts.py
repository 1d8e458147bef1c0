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
_NOTHING: Mapping[str, Any] = {"first": [], "refused": [], "totals": {}, "moved": {}, "codes": []}


def grown(
    forecast: Mapping[str, Any] | None,
    receipts: Sequence[TargetReceipt],
    *,
    codes: Sequence[str] = (),
    personal: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """``forecast`` with what another batch showed: {"first": the first changes, each {"id",
    "before", "after"}, "refused": the first refusals, each {"id", "why"}, "totals": by how much
    each number moves in all, as decimal digits, "moved": the same, both ways added up, "codes":
    the permissions under which it is done}. Personal fields are left out."""
    known = {**_NOTHING, **(forecast or {})}
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
    totals = _amounts(known["totals"])
    for each in receipts:
        for name, change in each.moves:
            totals[name] = totals.get(name, Decimal(0)) + change
    found = {
        "first": [_without(personal, each) for each in first],
        "refused": refused,
        "totals": totals,
        "moved": moved(known["moved"], receipts),
        "codes": sorted({*known["codes"], *codes}),
    }
    grown: dict[str, Any] = json.loads(as_json(found))
    return grown


def moved(known: Mapping[str, str], receipts: Sequence[TargetReceipt]) -> dict[str, str]:
    """How much of each number moved in all, both ways added up, as decimal digits: ``known``, and
    what these receipts say."""
    found = _amounts(known)
    for each in receipts:
        for name, change in each.moves:
            found[name] = found.get(name, Decimal(0)) + abs(change)
    return {name: str(amount) for name, amount in found.items()}


def _amounts(digits: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(number) for name, number in digits.items()}


def _without(personal: frozenset[str], change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: one for key, one in value.items() if key not in personal}
        if isinstance(value, dict)
        else value
        for name, value in change.items()
    }
