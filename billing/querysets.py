"""Filters of transfers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from billing.models import Transfer  # noqa: F401 (named in the class line)


class TransferQuerySet(models.QuerySet["Transfer"]):
    """The history of credits."""

    def of_user(self, user_id: int) -> Self:
        return self.filter(account__user=user_id)

    def coded(self, codes: Sequence[int]) -> Self:
        """Those with one of these codes."""
        return self.filter(code__in=codes)

    def newest_first(self, below: int | None = None) -> Self:
        """From the account's newest version down, or from just below a version: the keyset of the
        history page."""
        older = self if below is None else self.filter(account_version__lt=below)
        return older.order_by("-account_version", "-id")
