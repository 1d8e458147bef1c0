"""Filters of transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from billing.models import Transfer  # noqa: F401 (named in the class line)


class TransferQuerySet(models.QuerySet["Transfer"]):
    """The history of credits."""

    def of_user(self, user_id: int) -> Self:
        """What was booked on this user's account."""
        return self.filter(account__user=user_id)
