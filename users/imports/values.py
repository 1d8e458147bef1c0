"""What a cell of a CoAI table means. Pure: a cell is None, int, float, str or bytes, as the
database gave it.

SQLite does not enforce its column types and old MySQL modes accept nearly anything, so every
reading may fail; it then answers None (or names the oddity) and never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

Cell = None | int | float | str | bytes

PLACES = Decimal("0.000001")
_LARGEST = Decimal(10) ** 18  # numeric(24,6)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}(\.0*)?", re.ASCII)
_BIGGEST_WHOLE = 2**63 - 1
_GO_ZONE = re.compile(r" ([+-]\d{2}):?(\d{2})(?: [A-Z+-].*)?$")
_FRACTION = re.compile(r"\.(\d{6})\d+")
_PLAIN = len("2024-03-01 12:00:00")
_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
_FALSE = frozenset({"0", "f", "false", "n", "no", "off", ""})


def text(cell: Cell) -> str | None:
    """The cell as text. Bytes that are not UTF-8 become lone surrogates, which ``storable``
    (coai_admin.console.characters) refuses."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return repr(cell)


def whole(cell: Cell) -> int | None:
    """A whole number within bigint, also when it was stored as text or as a float without a
    fraction."""
    if isinstance(cell, float):
        number = int(cell) if cell.is_integer() else None
    elif isinstance(cell, int):
        number = cell
    else:
        digits = (text(cell) or "").strip()
        number = int(digits.split(".")[0]) if _WHOLE.fullmatch(digits) else None
    return number if number is not None and abs(number) <= _BIGGEST_WHOLE else None


def truth(cell: Cell) -> bool | None:
    """A BOOLEAN: tinyint, BIT, text. NULL is false, as CoAI reads it; None for anything else."""
    if cell is None:
        return False
    if isinstance(cell, int | float):
        return bool(cell) if cell in (0, 1) else None
    if isinstance(cell, bytes) and len(cell) == 1 and cell < b"\x02":
        return cell == b"\x01"
    word = (text(cell) or "").strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of credits to 6 places, and what rounding took away (exact = amount + residual)."""

    amount: Decimal
    residual: Decimal


ZERO = Money(Decimal(0).quantize(PLACES), Decimal(0))


def money(cell: Cell) -> Money | None:
    """Credits, exactly: a float by its shortest decimal form, never by its binary expansion.

    None for what is no finite number or does not fit numeric(24,6).
    """
    shown = repr(cell) if isinstance(cell, float) else (text(cell) or "").strip()
    if not _NUMBER.fullmatch(shown):
        return None
    try:
        exact = Decimal(shown)
        if abs(exact) >= _LARGEST:
            return None
        amount = exact.quantize(PLACES, ROUND_HALF_EVEN)
    except InvalidOperation:
        return None
    if abs(amount) >= _LARGEST:
        return None
    return Money(amount + 0, exact - amount)  # + 0: no negative zero


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in UTC, and what was odd about the wall clock it came from: ``zero_date``,
    ``bad_date``, ``clock_gap`` (an hour that the zone skipped) or ``clock_fold`` (an hour that it
    had twice)."""

    at: datetime | None
    oddity: str = ""


NO_MOMENT = Moment(None)


def moment(cell: Cell, zone: ZoneInfo, *, later: bool = False) -> Moment:
    """The instant of a DATETIME: wall clock in ``zone``, unless the cell itself names its offset.

    An hour that the zone had twice is read as the first one, or as the second where ``later``
    (ends: in the customer's favour). An hour that it skipped is read with the offset before the
    jump, so it lies after it.
    """
    if cell is None or cell == "" or cell == b"":
        return NO_MOMENT
    if isinstance(cell, int | float):
        return _from_epoch(cell)
    shown = (text(cell) or "").strip()
    if not shown:
        return NO_MOMENT
    if shown.startswith("0000-00-00"):
        return Moment(None, "zero_date")
    stated = _parse(shown)
    if stated is None:
        return Moment(None, "bad_date")
    try:
        return _in_utc(stated, zone, later=later)
    except OverflowError:
        return Moment(None, "bad_date")


def _parse(shown: str) -> datetime | None:
    """ISO 8601, what MySQL prints, and what Go prints (``2024-03-01 12:00:00.123456789 +0800
    CST``)."""
    if len(shown) != _PLAIN:
        shown = _FRACTION.sub(r".\1", shown)
        shown = _GO_ZONE.sub(r"\1:\2", shown)
    plain = shown.isascii() and shown.isprintable()
    if not plain or not shown[:4].isdigit() or shown[4:5] != "-":
        return None
    try:
        return datetime.fromisoformat(shown)
    except ValueError:
        return None


def _from_epoch(number: float) -> Moment:
    """Seconds or milliseconds since 1970, of a plausible size (2001 to 2286); other numbers are no
    dates."""
    try:
        if 10**9 <= number < 10**10:
            return Moment(datetime.fromtimestamp(number, UTC))
        if 10**12 <= number < 10**13:
            return Moment(datetime.fromtimestamp(number / 1000, UTC))
    except (OverflowError, ValueError):
        pass
    return Moment(None, "bad_date")


def _in_utc(stated: datetime, zone: ZoneInfo, *, later: bool) -> Moment:
    if stated.tzinfo is not None:
        return Moment(stated.astimezone(UTC))
    first = stated.replace(tzinfo=zone, fold=0)
    second = stated.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return Moment(first.astimezone(UTC))
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if back != stated:
        return Moment(first.astimezone(UTC), "clock_gap")
    return Moment((second if later else first).astimezone(UTC), "clock_fold")


def wall_clock(shown: str, zone: ZoneInfo) -> datetime | None:
    """The instant that a person wrote as ``YYYY-MM-DD HH:MM:SS`` in ``zone``; None when it is no
    date."""
    return moment(shown, zone).at


def iso(at: datetime | None) -> str | None:
    """An instant as JSON keeps it: microseconds only where there are some, always UTC."""
    return None if at is None else at.astimezone(UTC).isoformat()


def instant(shown: str | None) -> datetime | None:
    """The inverse of ``iso``."""
    return None if shown is None else datetime.fromisoformat(shown)
