"""What is known of a user's subscriptions: read only."""

from __future__ import annotations

from subscriptions.models import Period


def periods(user_id: int, *, limit: int) -> list[Period]:
    """The user's newest periods with tier and subscription, the latest first; one statement."""
    related = Period.objects.select_related("tier", "subscription")
    return list(related.filter(user=user_id).order_by("-span", "-pk")[:limit])
