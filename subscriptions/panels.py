"""What the user page shows of subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audit.panels import Panel, Place
from audit.people import Reader
from subscriptions import reports

_PERIODS = 6


def _load(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    found = reports.periods(user_id, limit=_PERIODS + 1)
    return {"now": now, "periods": found[:_PERIODS], "more": len(found) > _PERIODS}


PERIODS = Panel(
    name="subscription",
    label=_("Subscription"),
    permission="billing.inspect",
    template="subscriptions/_periods.html",
    load=_load,
    place=Place.SIDE,
)
PANELS = (PERIODS,)
