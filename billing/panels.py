"""What the user page shows of credits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audit.panels import Panel
from audit.people import Reader
from billing.listing import history
from billing.models import Account


def _load(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    reading = history(user_id).read(parameters, viewer=viewer, now=now)
    return {
        "account": Account.objects.filter(user=user_id).first(),
        "reading": reading,
        "page": reading.page(),
        "may_export": viewer.may("exports.users_masked"),
    }


CREDITS = Panel(
    name="credits",
    label=_("Credits"),
    permission="billing.inspect",
    template="billing/_credits.html",
    load=_load,
)
PANELS = (CREDITS,)
