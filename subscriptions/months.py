"""Months of a subscription: counted from an anchor, so that no day is lost on the way."""

from __future__ import annotations

import calendar
from datetime import datetime


def add_months(anchor: datetime, months: int) -> datetime:
    """``months`` calendar months after ``anchor``, at the same time of day; the day is clamped
    where a month is shorter (31 Jan + 1 = 28 Feb, + 2 = 31 Mar)."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def months_apart(anchor: datetime, moment: datetime) -> int:
    """How many calendar months after the month of ``anchor`` that of ``moment`` is."""
    return (moment.year - anchor.year) * 12 + moment.month - anchor.month


def months_begun(anchor: datetime, moment: datetime) -> int:
    """The least number of months after ``anchor`` that reaches ``moment``: 1 from the first instant
    on to the end of the first month."""
    months = months_apart(anchor, moment)
    return months + (add_months(anchor, months) < moment)


def whole_months(start: datetime, end: datetime) -> int:
    """How many whole months lie between ``start`` and ``end``, counted from ``start``."""
    months = months_apart(start, end)
    return months - (add_months(start, months) > end)
