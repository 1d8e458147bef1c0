"""Moments in the query language: days, months and years as such, and spans of time from now.

A span looks back or ahead, as its column does: ``joined:30d`` are those of the last thirty days,
``joined:>30d`` those of before; ``expires:7d`` is within the next seven days, ``expires:>7d`` after
them. ``6m`` and ``1y`` are calendar months and years. Days begin at midnight UTC.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils.translation import gettext as _

from coai_admin.console.query import Item, QueryError, near, short

_SPAN = re.compile(r"([0-9]{1,4})([hdwmy])", re.ASCII)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_COUNTED = re.compile(r"([0-9]{1,3})(?:(h|d|w|m|y)(?:ours?|ays?|eeks?|onths?|ears?)?)?", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}


class Interval(NamedTuple):
    """From ``start`` on, until before ``end``; None where there is no limit."""

    start: datetime | None = None
    end: datetime | None = None


class _Point(NamedTuple):
    """What was written: a day and the like has a length, the end of a span from now has none."""

    start: datetime
    end: datetime

    @property
    def relative(self) -> bool:
        return self.start == self.end


def interval(item: Item, now: datetime, *, ahead: bool = False) -> Interval:
    """The time that a value names: ``2026-11-20``, ``2026-11``, ``2026``, ``today``, ``30d``, each
    with ``<``, ``<=``, ``>``, ``>=``, or two of them as a range. ``ahead``: spans count from now
    on, not back.

    Raises QueryError."""
    if ".." in item.text and not item.operator:
        return _range(item, now, ahead=ahead)
    point = _point(item, item.text, now, ahead=ahead)
    if point.relative:
        far = item.operator in {">", ">="}
        return _span(point.start, now, far=far, ahead=ahead)
    return {
        "<": Interval(end=point.start),
        "<=": Interval(end=point.end),
        ">": Interval(start=point.end),
        ">=": Interval(start=point.start),
    }.get(item.operator, Interval(point.start, point.end))


def _span(edge: datetime, now: datetime, *, far: bool, ahead: bool) -> Interval:
    """What is further away from now than ``edge``, or nearer."""
    if ahead:
        return Interval(start=edge) if far else Interval(now, edge)
    return Interval(end=edge) if far else Interval(start=edge)


def _range(item: Item, now: datetime, *, ahead: bool) -> Interval:
    first, _dots, second = item.text.partition("..")
    if not first and not second:
        raise _no_moment(item, item.text)
    one = _point(item, first, now, ahead=ahead) if first else None
    other = _point(item, second, now, ahead=ahead) if second else None
    if one and other:
        if not (one.relative or other.relative) and one.start > other.start:
            raise item.wrong(_("The range runs backwards."), f"{second}..{first}")
        return Interval(min(one.start, other.start), max(one.end, other.end))
    point = one or other
    assert point is not None
    if point.relative:
        return _span(point.start, now, far=one is not None, ahead=ahead)
    return Interval(start=point.start) if one else Interval(end=point.end)


def _point(item: Item, text: str, now: datetime, *, ahead: bool) -> _Point:
    name = text.lower()
    try:
        if name in _DAYS:
            midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            start = midnight + timedelta(days=_DAYS[name])
            return _Point(start, start + timedelta(days=1))
        if found := _SPAN.fullmatch(name):
            edge = _away(now, int(found[1]) * (1 if ahead else -1), found[2])
            return _Point(edge, edge)
        if found := _DATE.fullmatch(text):
            return _calendar(*(int(part) if part else None for part in found.groups()))  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        raise _no_moment(item, text) from None
    raise _no_moment(item, text)


def _calendar(year: int, month: int | None, day: int | None) -> _Point:
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return _Point(start, start + timedelta(days=1))
    return _Point(start, _away(start, 1, "m" if month else "y"))


def _away(moment: datetime, number: int, unit: str) -> datetime:
    """So many hours, days, weeks, calendar months or years from a moment; a day that a month does
    not have becomes its last."""
    if unit in _HOURS:
        return moment + timedelta(hours=number * _HOURS[unit])
    months = moment.year * 12 + moment.month - 1 + number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise ValueError("no such year")
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _no_moment(item: Item, text: str) -> QueryError:
    sentence = _(
        "“%(value)s” is no time: write a date (2026-11-20, 2026-11, 2026), today, yesterday, or a "
        "span such as 30d, 6m, 1y."
    )
    return item.wrong(sentence % {"value": short(text)}, _meant(item, text))


def _meant(item: Item, text: str) -> str:
    """What takes the place of the whole value: ``<30d`` for "<30", ``3m`` for "3months"; empty for
    one end of a range, whose other end would be lost."""
    if text != item.text:
        return ""
    counted = _COUNTED.fullmatch(text.lower())
    meant = f"{counted[1]}{counted[2] or 'd'}" if counted else near(text, _DAYS)
    return f"{item.operator}{meant}" if meant else ""
