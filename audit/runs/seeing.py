"""Who sees which runs: one's own always, those of others as the audit log is seen."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from audit import reports
from audit.models import Run
from audit.people import Reader

UNDER_WAY = (Run.State.RUNNING, Run.State.PAUSED)
_LARGE = ("params", "forecast", "refusals")


def visible(viewer: Reader) -> QuerySet[Run]:
    """The runs that this person may look at."""
    if viewer.may(reports.INSPECT) and not viewer.sees_only_own(reports.INSPECT):
        return Run.objects.all()
    return Run.objects.filter(owner=viewer.pk)


def at_hand(viewer: Reader, now: datetime, *, limit: int) -> list[Run]:
    """The newest runs that act now or are paused; of one's own also those that are being counted,
    and those that wait to be confirmed."""
    counted = Q(state=Run.State.PREVIEWING) | Q(
        state=Run.State.PREVIEWED, changed__gt=0, expires_at__gt=now
    )
    own = Q(owner=viewer.pk) & counted
    found = visible(viewer).filter(Q(state__in=UNDER_WAY) | own)
    return list(found.defer(*_LARGE).order_by("-created_at", "-number")[:limit])
