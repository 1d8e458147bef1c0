"""What a measurement says: cases, as a table for people and as one line of JSON for programs."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Literal, TypedDict

Better = Literal["lower", "higher"]


class Case(TypedDict):
    """One measured figure. ``ratio`` is ``value / peer``; ``limit`` bounds the ratio where there is
    a peer, else the value; ``ok`` is whether it holds (True where there is no limit)."""

    name: str
    value: float
    unit: str
    better: Better
    peer: float | None
    ratio: float | None
    limit: float | None
    ok: bool


def case(
    name: str,
    value: float,
    unit: str,
    *,
    better: Better = "lower",
    peer: float | None = None,
    limit: float | None = None,
) -> Case:
    """A case with its ratio and verdict worked out."""
    ratio = value / peer if peer else None
    judged = value if ratio is None else ratio
    ok = limit is None or (judged <= limit if better == "lower" else judged >= limit)
    return Case(
        name=name,
        value=value,
        unit=unit,
        better=better,
        peer=peer,
        ratio=ratio,
        limit=limit,
        ok=ok,
    )


def table(cases: Sequence[Case]) -> str:
    """The cases for a terminal: figure, peer, ratio, limit, and whether the limit holds."""
    rows = [("", "measured", "peer", "ratio", "limit", "")]
    for each in cases:
        sign = "≤" if each["better"] == "lower" else "≥"
        rows.append(
            (
                each["name"],
                f"{_figure(each['value'])} {each['unit']}".rstrip(),
                _figure(each["peer"]),
                _figure(each["ratio"]),
                f"{sign} {_figure(each['limit'])}" if each["limit"] is not None else "",
                "" if each["limit"] is None else "ok" if each["ok"] else "MISSED",
            )
        )
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            _pad(cell, width, left=place in (0, 5))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_json(cases: Sequence[Case]) -> str:
    """The cases on one line."""
    return json.dumps(list(cases), ensure_ascii=False)


def _figure(number: float | None) -> str:
    """Three digits are enough to compare by."""
    if number is None:
        return ""
    if abs(number) >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.2f}" if abs(number) >= 1 else f"{number:.3g}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int, *, left: bool) -> str:
    space = " " * (width - _width(text))
    return text + space if left else space + text
