"""What is known of a user's subscriptions: read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q

from audit.models import Act
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
