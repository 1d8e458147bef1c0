"""What stands in a cell of a workbook, as the program prints it: a text; ``[digits]`` for a number,
which has no second spelling; ``{"bad": code}`` for what is no value. Dates are ISO texts."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal

Cell = str | list[str] | dict[str, str]

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_IN_FORMATS = re.compile(r'"[^"]*"|\[(?![hms]+\])[^\]]*\]|\\.|_.|\*.', re.IGNORECASE)
_OF_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_EPOCH_1900, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 (no zone)
_LAST_DAY = 2_958_466  # after 9999-12-31
_MOST_EXACT = 10**15  # Excel keeps fifteen digits


def unescaped(text: str) -> str:
    """A text of a workbook, which writes control characters as ``_x000D_``."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def shows_dates(number: int, code: str) -> bool:
    """Whether cells of this number format hold moments: ``number`` is built in, or ``code`` says
    it."""
    if number in _OF_DATES:
        return True
    return any(sign in "dmyhs" for sign in _IN_FORMATS.sub("", code).lower().replace("general", ""))


def number(text: str) -> Cell:
    """A number as it is shown: with at most fifteen digits, and no exponent."""
    try:
        value = float(text)
    except ValueError:
        return {"bad": "number"}
    if not math.isfinite(value):
        return {"bad": "number"}
    if abs(value) >= _MOST_EXACT:
        return {"bad": "digits"}
    if value.is_integer():
        return [str(int(value))]
    return [format(Decimal(f"{value:.15g}"), "f")]


def moment(text: str, *, from_1904: bool) -> Cell:
    """The date, or date and time, that a number of days stands for."""
    try:
        days = float(text)
    except ValueError:
        return {"bad": "date"}
    if not 1 <= days < _LAST_DAY - (1462 if from_1904 else 0):
        return {"bad": "date"}
    if not from_1904 and days < 60:  # Excel counts 29 February 1900, which never was
        days += 1
    found = (_EPOCH_1904 if from_1904 else _EPOCH_1900) + timedelta(seconds=round(days * 86_400))
    return found.isoformat(" ") if found.time() != datetime.min.time() else f"{found:%Y-%m-%d}"
