"""What is known of a user's subscriptions: read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef

from audit.models import Act
from subscriptions.models import Event, Period


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
