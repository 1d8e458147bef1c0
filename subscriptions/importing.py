"""Subscriptions as another system's database tells them: for the importer, which may come again and
find them told otherwise. Beside subscriptions.services and subscriptions.loading the only module
that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from subscriptions.loading import LoadedPeriod, LoadedSubscription, load_subscriptions
from subscriptions.models import Subscription

_TOLD = """
    WITH told AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(users)s::bigint[], %(tiers)s::smallint[],
            %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(over)s::boolean[])
            AS t(id, user_id, tier, starts_at, ends_at, over)
    )
"""
_REWRITE = (
    """
    UPDATE subscriptions_subscription s
    SET tier_id = t.tier, ended_at = CASE WHEN t.over THEN t.ends_at END
    FROM told t WHERE s.id = t.id
    """,
    """
    DELETE FROM subscriptions_period p USING told t
    WHERE p.subscription_id = t.id
      AND p.id > (SELECT min(first.id) FROM subscriptions_period first
                   WHERE first.subscription_id = t.id)
    """,
    """
    UPDATE subscriptions_period p SET tier_id = t.tier, span = tstzrange(t.starts_at, t.ends_at)
    FROM told t WHERE p.subscription_id = t.id
    """,
    """
    UPDATE subscriptions_standing s
    SET subscription_id = t.id, tier = t.tier, ends_at = t.ends_at, version = s.version + 1
    FROM told t WHERE s.user_id = t.user_id
    """,
)


class Told(NamedTuple):
    """What the other system says of one user. ``tier`` 0: no subscription. ``[starts_at, ends_at)``
    is the only period; ``over``: it had ended when the picture was taken. ``months``: its own
    count, which may be negative."""

    user_id: int
    tier: int
    starts_at: datetime | None
    ends_at: datetime | None
    months: int
    over: bool


def take_over(told: Sequence[Told]) -> None:
    """Give new users their standing and, where they are told to have one, their subscription."""
    _open_standings(told)
    load_subscriptions(_loaded(each) for each in told if each.tier)


def _open_standings(told: Sequence[Told]) -> None:
    """A standing without subscription for each, with the months that the other system counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO subscriptions_standing AS s (user_id, tier, months, legacy_months, version)
            SELECT user_id, 0, 0, months, 0 FROM unnest(%s::bigint[], %s::integer[])
                AS t(user_id, months)
            ON CONFLICT (user_id) DO UPDATE
               SET legacy_months = excluded.legacy_months, version = s.version + 1
             WHERE s.legacy_months <> excluded.legacy_months
            """,
            [[each.user_id for each in told], [each.months for each in told]],
        )


def retell(told: Sequence[Told], *, now: datetime) -> None:
    """Bring users whom ``take_over`` served, and whose subscription nobody touched since, to what
    is told now: the imported subscription is told anew, ended, or begun."""
    known = _imported_subscriptions([each.user_id for each in told])
    _rewrite([(known[each.user_id], each) for each in told if each.tier and each.user_id in known])
    _end([known[each.user_id] for each in told if not each.tier and each.user_id in known], now)
    load_subscriptions(_loaded(each) for each in told if each.tier and each.user_id not in known)
    _count_months(told)


def _loaded(told: Told) -> LoadedSubscription:
    assert told.starts_at is not None
    assert told.ends_at is not None
    return LoadedSubscription(
        user_id=told.user_id,
        tier=told.tier,
        source=Subscription.Source.IMPORT.value,
        created_at=told.starts_at,
        ended_at=told.ends_at if told.over else None,
        periods=(LoadedPeriod(told.starts_at, told.ends_at, 0),),
    )


def _imported_subscriptions(user_ids: list[int]) -> dict[int, int]:
    """The imported subscription of each user who has one, their standings locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM subscriptions_standing WHERE user_id = ANY(%s)"
            " ORDER BY user_id FOR NO KEY UPDATE",
            [user_ids],
        )
        cursor.execute(
            "SELECT user_id, max(id) FROM subscriptions_subscription"
            " WHERE user_id = ANY(%s) AND source = %s GROUP BY user_id",
            [user_ids, Subscription.Source.IMPORT.value],
        )
        return dict(cursor.fetchall())


def _rewrite(told: list[tuple[int, Told]]) -> None:
    """An imported subscription has one period, or again one: what was done to it by hand was taken
    back. Both and the standing take the new tier and bounds."""
    values: dict[str, Any] = {
        "ids": [pk for pk, _each in told],
        "users": [each.user_id for _pk, each in told],
        "tiers": [each.tier for _pk, each in told],
        "starts": [each.starts_at for _pk, each in told],
        "ends": [each.ends_at for _pk, each in told],
        "over": [each.over for _pk, each in told],
    }
    with connection.cursor() as cursor:
        for statement in _REWRITE:
            cursor.execute(_TOLD + statement, values)


def _end(subscription_ids: list[int], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE subscriptions_standing SET subscription_id = NULL, tier = 0, ends_at = NULL,
                version = version + 1 WHERE subscription_id = ANY(%s)""",
            [subscription_ids],
        )
        cursor.execute(
            """UPDATE subscriptions_period SET span = tstzrange(lower(span), least(upper(span), %s))
                WHERE subscription_id = ANY(%s) AND lower(span) < %s""",
            [now, subscription_ids, now],
        )
        cursor.execute(
            "UPDATE subscriptions_subscription SET ended_at = coalesce(ended_at, %s)"
            " WHERE id = ANY(%s)",
            [now, subscription_ids],
        )


def _count_months(told: Sequence[Told]) -> None:
    """The months that the other system counted stand apart from those counted here."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE subscriptions_standing s SET legacy_months = t.months, version = s.version + 1
            FROM unnest(%s::bigint[], %s::integer[]) AS t(user_id, months)
            WHERE s.user_id = t.user_id AND s.legacy_months <> t.months
            """,
            [[each.user_id for each in told], [each.months for each in told]],
        )
