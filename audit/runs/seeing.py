"""Who sees which runs: one's own always, those of others as the audit log is seen."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from audit import reports
from audit.models import Run
from audit.people import Reader

UNDER_WAY = (Run.State.RUNNING, Run.State.PAUSED)
_LARGE = ("data", "forecast", "refusals")


def visible(viewer: Reader) -> QuerySet[Run]:
    """The runs that this person may look at."""
    if viewer.may(reports.INSPECT) and not viewer.sees_only_own(reports.INSPECT):
        return Run.objects.all()
    return Run.objects.filter(owner=viewer.pk)


def under_way(viewer: Reader, *, limit: int) -> list[Run]:
    """The newest runs that act now, or are paused; and one's own that are being counted."""
    own = Q(owner=viewer.pk, state=Run.State.PREVIEWING)
    found = visible(viewer).filter(Q(state__in=UNDER_WAY) | own)
    return list(found.defer(*_LARGE).order_by("-created_at", "-number")[:limit])


def to_confirm(viewer: Reader, now: datetime, *, limit: int) -> list[Run]:
    """One's own runs that are counted and wait for a word, the newest first."""
    ready = Run.objects.filter(owner=viewer.pk, state=Run.State.PREVIEWED, expires_at__gt=now)
    return list(ready.defer("data", "forecast").order_by("-created_at", "-number")[:limit])
