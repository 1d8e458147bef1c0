"""What is known of a user's subscriptions: read only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q

from audit.models import Act
from billing.reports import Defect
from subscriptions.models import Event, Period, Standing


def periods(user_id: int, *, limit: int) -> list[Period]:
    """The user's newest periods with tier and subscription, the latest first; one statement."""
    related = Period.objects.select_related("tier", "subscription")
    return list(related.filter(user=user_id).order_by("-span", "-pk")[:limit])


def events(user_id: int, *, limit: int) -> list[Event]:
    """What was done to the user's subscriptions, the latest first; one statement."""
    return list(Event.objects.filter(user=user_id).order_by("-at", "-pk")[:limit])


def extended_since(user_ids: Sequence[int], since: datetime) -> bool:
    """Whether one of these users was extended by hand since then, and that was not undone."""
    undone = Act.objects.filter(undoes=OuterRef("act_id"))
    extended = Event.objects.filter(
        user__in=user_ids, kind=Event.Kind.EXTENDED, at__gt=since, actor_id__isnull=False
    )
    return extended.exclude(Exists(undone)).exists()


def in_tiers(now: datetime) -> dict[int, int]:
    """How many users each tier has at ``now``, those whose subscription ran out counted in tier 0;
    two statements."""
    running = Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    paid = Standing.objects.filter(running, tier__gt=0)
    counts = dict(paid.order_by().values_list("tier").annotate(number=Count("pk")))
    return {0: Standing.objects.count() - sum(counts.values()), **counts}


_DEFECTS = """
WITH newest AS (
    SELECT s.id, s.user_id, s.tier_id, s.ended_at,
           max(coalesce(upper(p.span), 'infinity')) AS last
      FROM subscriptions_subscription s LEFT JOIN subscriptions_period p ON p.subscription_id = s.id
     GROUP BY s.id
), counted AS (
    SELECT user_id, sum(months) AS months FROM subscriptions_period GROUP BY user_id
), facts AS (
    SELECT st.user_id, st.subscription_id, st.tier, st.ends_at,
           st.months, coalesce(c.months, 0) AS counted, n.tier_id,
           nullif(least(n.ended_at, n.last), 'infinity') AS end_of_it, live.id AS live
      FROM subscriptions_standing st
      LEFT JOIN newest n ON n.id = st.subscription_id
      LEFT JOIN counted c ON c.user_id = st.user_id
      LEFT JOIN subscriptions_subscription live
        ON live.user_id = st.user_id AND live.ended_at IS NULL
)
SELECT rule, user_id, expected, found FROM facts CROSS JOIN LATERAL (VALUES
    ('standing is of the live subscription', live IS DISTINCT FROM subscription_id
        AND live IS NOT NULL, 'subscription ' || live, coalesce(subscription_id::text, 'none')),
    ('standing has the tier of its subscription', tier <> coalesce(tier_id, 0),
        coalesce(tier_id, 0)::text, tier::text),
    ('standing ends with its subscription', ends_at IS DISTINCT FROM end_of_it,
        coalesce(end_of_it::text, 'no end'), coalesce(ends_at::text, 'no end')),
    ('standing counts the months of its periods', months <> counted, counted::text, months::text)
) AS checked (rule, wrong, expected, found)
 WHERE wrong ORDER BY rule, user_id
"""


def defects() -> Iterator[Defect]:
    """What disagrees between standings, subscriptions and periods; nothing, if all is well. Reads
    all of them. That everybody has a standing is found by the ledger's view."""
    with connection.cursor() as cursor:
        cursor.execute(_DEFECTS)
        while rows := cursor.fetchmany(1_000):
            for rule, user_id, expected, found in rows:
                yield Defect(rule, "user", user_id, expected, found)
