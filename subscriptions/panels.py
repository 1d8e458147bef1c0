"""What the user page shows of subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audit.panels import Panel, Place, takes_no_parameters
from audit.people import Reader
from subscriptions import reports
from subscriptions.models import Event

_NEWEST = 6
_MOST = 100


def _newest(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    return _periods(user_id, now, _NEWEST)


def _periods(user_id: int, now: datetime, most: int) -> dict[str, Any]:
    found = reports.periods(user_id, limit=most + 1)
    return {"now": now, "periods": found[:most], "more": len(found) > most}


def _history(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    takes_no_parameters(parameters)
    events = reports.events(user_id, limit=_MOST + 1)
    return {
        **_periods(user_id, now, _MOST),
        "events": [(event, _changes(event)) for event in events[:_MOST]],
        "more_events": len(events) > _MOST,
        "sees_acts": viewer.may("audit.inspect"),
    }


def _changes(event: Event) -> list[tuple[str, Any, Any]]:
    """Each fact that the event changed, before and after."""
    before, after = event.before, event.after
    return [(name, before[name], after[name]) for name in before if before[name] != after[name]]


PERIODS = Panel(
    name="periods",
    label=_("Subscription"),
    permission="billing.inspect",
    template="subscriptions/_periods.html",
    load=_newest,
    place=Place.SIDE,
)
HISTORY = Panel(
    name="subscription",
    label=_("Subscription"),
    permission="billing.inspect",
    template="subscriptions/_history.html",
    load=_history,
)
PANELS = (PERIODS, HISTORY)
