"""Subscriptions that come with a history, many at once: for the importer, demonstration data and
benchmarks. Beside subscriptions.services the only module that writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from django.db import connection, transaction

_CHUNK = 50_000


class LoadedPeriod(NamedTuple):
    """``[starts, ends)``, without an end where ``ends`` is None, and the months it counts for."""

    starts: datetime
    ends: datetime | None
    months: int


class LoadedSubscription(NamedTuple):
    """One stretch of being subscribed: tier 1 to 3, a value of ``Subscription.Source``, periods in
    order."""

    user_id: int
    tier: int
    source: str
    created_at: datetime
    ended_at: datetime | None
    periods: tuple[LoadedPeriod, ...]


@transaction.atomic
def load_subscriptions(rows: Iterable[LoadedSubscription]) -> int:
    """Write these subscriptions with their periods, and make the newest of each user their standing
    (whose months count all of them); gives back how many. A user's subscriptions come oldest first.

    For users without a subscription so far: raises IntegrityError where one lives already, or where
    periods of a user overlap.
    """
    remaining, count = iter(rows), 0
    while chunk := list(islice(remaining, _CHUNK)):
        ids = _reserve(len(chunk))
        _copy_subscriptions(ids, chunk)
        _copy_periods(ids, chunk)
        _stand(ids)
        count += len(chunk)
    return count


def _reserve(number: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval((SELECT pg_get_serial_sequence('subscriptions_subscription', 'id')"
            "::regclass)) FROM generate_series(1, %s)",
            [number],
        )
        return [row[0] for row in cursor.fetchall()]


def _copy_subscriptions(ids: list[int], rows: list[LoadedSubscription]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY subscriptions_subscription"
            " (id, user_id, tier_id, source, created_at, ended_at) FROM STDIN"
        ) as copy,
    ):
        for pk, row in zip(ids, rows, strict=True):
            copy.write_row((pk, *row[:5]))


def _copy_periods(ids: list[int], rows: list[LoadedSubscription]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY subscriptions_period"
            " (subscription_id, user_id, tier_id, span, months, created_at) FROM STDIN"
        ) as copy,
    ):
        for values in _periods(ids, rows):
            copy.write_row(values)


def _periods(ids: list[int], rows: list[LoadedSubscription]) -> Iterator[tuple[object, ...]]:
    for pk, row in zip(ids, rows, strict=True):
        for period in row.periods:
            ends = period.ends.isoformat() if period.ends else ""
            span = f"[{period.starts.isoformat()},{ends})"
            yield pk, row.user_id, row.tier, span, period.months, period.starts


def _stand(ids: list[int]) -> None:
    """The standings of those who got these subscriptions. One that was ended stood until then."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH newest AS (
                SELECT DISTINCT ON (s.user_id) s.user_id, s.id, s.tier_id, s.ended_at
                  FROM subscriptions_subscription s WHERE s.id = ANY(%(ids)s)
                 ORDER BY s.user_id, s.ended_at IS NULL DESC, s.created_at DESC, s.id DESC
            ), counted AS (
                SELECT p.user_id, sum(p.months) AS months,
                       max(coalesce(upper(p.span), 'infinity')) AS ends_at
                  FROM subscriptions_period p JOIN newest USING (user_id) GROUP BY p.user_id
            )
            INSERT INTO subscriptions_standing AS standing
                (user_id, subscription_id, tier, ends_at, months, legacy_months, version)
            SELECT user_id, newest.id, tier_id,
                   nullif(least(ended_at, counted.ends_at), 'infinity'), counted.months, 0, 1
              FROM newest JOIN counted USING (user_id)
            ON CONFLICT (user_id) DO UPDATE
               SET subscription_id = excluded.subscription_id, tier = excluded.tier,
                   ends_at = excluded.ends_at, months = excluded.months,
                   version = standing.version + 1
            """,
            {"ids": ids},
        )
