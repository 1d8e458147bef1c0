"""Honest counts: exact up to a cap, "10,000+" beyond it, exact on demand."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import models
from django.utils.translation import gettext as _

CAP = 10_000


class Count(NamedTuple):
    """How many rows there are, or that there are more than ``number`` of them."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        text = f"{self.number:,}"
        return _("%(number)s+") % {"number": text} if self.more else text


def capped(rows: models.QuerySet[Any]) -> Count:
    """Count up to the cap: reading stops there, so the time does not grow with the table."""
    found = rows.order_by()[: CAP + 1].count()
    return Count(min(found, CAP), more=found > CAP)


def exact(rows: models.QuerySet[Any]) -> Count:
    """Count all of them, however long that takes."""
    return Count(rows.order_by().count())
