"""When an export that is made again and again is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings


def next_time(
    *, hour: int, weekday: int | None, after: datetime, zone: ZoneInfo | None = None
) -> datetime:
    """The first full hour ``hour`` o'clock after this moment, in UTC; of a ``weekday`` (Monday is
    0), or of any day. ``zone``: by default the console's.

    Where clocks are put forward over the hour, it is the moment at which they are; where an hour
    comes twice, the first.
    """
    zone = zone or ZoneInfo(settings.TIME_ZONE)
    for day in _days(after.astimezone(zone).date()):
        if weekday in (None, day.weekday()):
            moment = datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)
            if moment > after:
                return moment
    raise AssertionError("A week has every weekday.")


def _days(first: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(9))
