"""What the user page shows of credits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from audit.panels import Panel, Place
from audit.people import Reader
from billing import reports
from billing.listing import history
from billing.models import Account

_DAYS_DRAWN = 30


def _use(
    user_id: int, viewer: Reader, now: datetime, parameters: QueryDict
) -> dict[str, Any] | None:
    """Only of those who used something in that time."""
    used = reports.used_by_day(user_id, days=_DAYS_DRAWN, now=now)
    if not any(amount for _day, amount in used):
        return None
    return {"points": [(date_format(day, "j M"), amount) for day, amount in used]}


def _history(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    reading = history(user_id).read(parameters, viewer=viewer, now=now)
    return {
        "account": Account.objects.filter(user=user_id).first(),
        "reading": reading,
        "page": reading.page(),
        "may_export": viewer.may("exports.users_masked"),
    }


USE = Panel(
    name="use",
    label=_("Use"),
    permission="billing.inspect",
    template="billing/_use.html",
    load=_use,
    place=Place.MAIN,
)
CREDITS = Panel(
    name="credits",
    label=_("Credits"),
    permission="billing.inspect",
    template="billing/_credits.html",
    load=_history,
)
OVERVIEW = (USE,)
PANELS = (CREDITS,)
