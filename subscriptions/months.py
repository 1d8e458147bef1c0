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
