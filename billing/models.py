"""Credits: each user's account, the transfers that move it, and the copy that lists sort by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.querysets import TransferQuerySet

# Below it: the platform's own accounts, which are never cached, so that no posting locks them.
FIRST_USER_ACCOUNT = 1_000


def _credits(**options: Any) -> models.DecimalField[Decimal | int, Decimal]:
    """A column of credits with six decimal places, as CoAI keeps them."""
    return models.DecimalField(max_digits=24, decimal_places=6, **options)


class Account(models.Model):
    """What a user holds. Figures and ``version`` move only by transfers: inserting one moves
    them, and a trigger refuses any other way. Ids below 1,000 are the platform's own accounts."""

    class Status(models.IntegerChoices):
        ACTIVE = 1, _("active")
        FROZEN = 2, _("frozen")
        CLOSED = 3, _("closed")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.RESTRICT, null=True, related_name="account"
    )
    code = models.TextField(null=True, unique=True)
    status = models.SmallIntegerField(choices=Status.choices, db_default=Status.ACTIVE)
    balance = _credits(db_default=0)
    held = _credits(db_default=0)
    credited_total = _credits(db_default=0)
    debited_total = _credits(db_default=0)
    used_total = _credits(db_default=0)
    opening_used = _credits(db_default=0)
    overdraft_limit = _credits(db_default=0)
    settle_slack = _credits(db_default=1000)
    next_expiry_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(db_default=0)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_account"

    def __str__(self) -> str:
        return self.code or f"account of user {self.user_id}"


class TransferCode(models.Model):
    """Why credits move: the direction, the platform's account on the other side, and how far a
    debit may take the balance down. Rows come with migrations."""

    class Floor(models.IntegerChoices):
        ZERO = 0, _("not below zero")
        OVERDRAFT = 1, _("within the overdraft limit, while the account is active")
        SLACK = 2, _("within overdraft limit and settlement slack")

    code = models.SmallIntegerField(primary_key=True)
    name = models.TextField(unique=True)
    label = models.TextField()
    direction = models.SmallIntegerField()
    contra = models.ForeignKey(Account, models.PROTECT, related_name="+")
    counts_as_used = models.BooleanField()
    floor = models.SmallIntegerField(choices=Floor.choices)

    class Meta:
        db_table = "billing_transfer_code"

    def __str__(self) -> str:
        return self.label


class Transfer(models.Model):
    """Credits moved between a user's account and the platform's account of the code: one row is
    both sides, so that they balance by construction.

    ``delta`` is seen from the user: positive credits, negative debits. Append-only; partitioned by
    month of ``created_at`` (booked; ``effective_at`` is when it happened).
    """

    id = models.BigIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    account = models.ForeignKey(
        Account, models.DO_NOTHING, db_constraint=False, related_name="transfers"
    )
    code = models.ForeignKey(
        TransferCode, models.DO_NOTHING, db_constraint=False, db_column="code", related_name="+"
    )
    delta = _credits()
    account_version = models.BigIntegerField()
    balance_after = _credits()
    group_id = models.UUIDField(null=True)
    reverses_id = models.BigIntegerField(null=True)
    reverses_at = models.DateTimeField(null=True)
    ref_type = models.SmallIntegerField(null=True)
    ref_id = models.BigIntegerField(null=True)
    actor_id = models.BigIntegerField(null=True)
    reason = models.TextField()

    objects: ClassVar[models.Manager[Transfer]] = models.Manager.from_queryset(TransferQuerySet)()

    class Meta:
        db_table = "billing_transfer"
        managed = False

    def __str__(self) -> str:
        return f"{self.delta:+f} on account {self.account_id}"


class ReversalCap(models.Model):
    """How much of a transfer was reversed; never more than it moved."""

    transfer_id = models.BigIntegerField(primary_key=True)
    original = _credits()
    reversed = _credits(db_default=0)

    class Meta:
        db_table = "billing_reversal_cap"

    def __str__(self) -> str:
        return f"{self.reversed} of {self.original}"


class Idempotency(models.Model):
    """A request that was carried out, by the key its sender chose: the same key and body get the
    first result. Written in the transaction of the effect; kept for ever."""

    class Scope(models.IntegerChoices):
        POSTING = 1, _("posting")
        DEBIT = 2, _("debit")
        REQUEST = 3, _("request")

    pk = models.CompositePrimaryKey("scope", "key")
    scope = models.SmallIntegerField(choices=Scope.choices)
    key = models.TextField()
    request_hash = models.BinaryField()
    transfer_id = models.BigIntegerField(null=True)
    response = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "billing_idempotency"

    def __str__(self) -> str:
        return self.key


class Statistics(models.Model):
    """A copy of each user's figures, some seconds old, only to sort and filter lists by: an index
    on the account itself would slow every debit. What is shown is the account's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="statistics"
    )
    balance = _credits(db_default=0)
    used = _credits(db_default=0)
    version = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "billing_statistics"
        indexes = [
            models.Index(fields=["balance", "user"], name="statistics_balance"),
            models.Index(fields=["used", "user"], name="statistics_used"),
        ]

    def __str__(self) -> str:
        return f"{self.balance} of user {self.user_id}"
