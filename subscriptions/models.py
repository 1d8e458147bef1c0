"""Tiers, and who is subscribed to which, from when to when."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from subscriptions.event_models import Event as Event


class Tier(models.Model):
    """What a subscription grants: 0 is what everybody has without one."""

    level = models.PositiveSmallIntegerField(primary_key=True)
    name = models.TextField(unique=True)
    description = models.TextField(blank=True, default="")
    active = models.BooleanField(default=True)

    class Meta:
        db_table = "subscriptions_tier"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(level__gte=0, level__lte=3), name="tier_level_0_to_3"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """One stretch of being subscribed. Live until ``ended_at`` is set; at most one live per user.
    Whether it still grants its tier is decided at read time from its period. Months are counted
    from ``anchor_at`` (where it is empty, from ``created_at``)."""

    class Source(models.TextChoices):
        PURCHASE = "purchase", _("purchase")
        GRANT = "grant", _("grant")
        IMPORT = "import", _("import")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="subscriptions")
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="+")
    source = models.TextField(choices=Source.choices, default=Source.GRANT)
    created_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True, blank=True)
    anchor_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "subscriptions_subscription"
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                name="subscription_one_live",
                condition=models.Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=models.Q(tier__gt=0), name="subscription_tier_above_0"
            ),
        ]
        indexes = [models.Index(fields=["user", "created_at"], name="subscription_user")]

    def __str__(self) -> str:
        return f"{self.tier_id} of {self.user_id}"


class Period(models.Model):
    """A span of a subscription, ``[starts, ends)``, and the calendar months it counts for."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="periods")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="+")
    span = DateTimeRangeField()
    months = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "subscriptions_period"
        constraints = [
            ExclusionConstraint(
                name="period_no_overlap",
                expressions=[("user", RangeOperators.EQUAL), ("span", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                condition=models.Q(span__isempty=False), name="period_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier_id}: {self.span}"


class Standing(models.Model):
    """Where a user stands today: the facts of the newest subscription, one row for everybody, so
    that the user table can sort and page by them through an index (ADR 2). Written only by
    subscriptions.services, in the transaction that changes the subscription."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="standing"
    )
    subscription = models.OneToOneField(
        Subscription, models.PROTECT, null=True, blank=True, related_name="+"
    )
    tier = models.PositiveSmallIntegerField(default=0)
    ends_at = models.DateTimeField(null=True, blank=True)
    months = models.IntegerField(default=0)
    legacy_months = models.IntegerField(default=0)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "subscriptions_standing"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tier__gte=0, tier__lte=3), name="standing_tier_0_to_3"
            ),
            models.CheckConstraint(
                condition=models.Q(tier=0) | models.Q(subscription__isnull=False),
                name="standing_tier_needs_subscription",
            ),
        ]
        indexes = [
            models.Index(fields=["tier", "user"], include=["ends_at"], name="standing_by_tier"),
            models.Index(
                fields=["ends_at", "user"],
                name="standing_by_end",
                condition=models.Q(ends_at__isnull=False),
            ),
            models.Index(
                models.F("months") + models.F("legacy_months"), "user", name="standing_by_months"
            ),
            models.Index(
                fields=["user"],
                include=["ends_at"],
                name="standing_subscribed",
                condition=models.Q(subscription__isnull=False),
            ),
            models.Index(
                fields=["user"],
                name="standing_endless",
                condition=models.Q(subscription__isnull=False, ends_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"tier {self.tier} of {self.user_id}"

    def effective_tier(self, now: datetime) -> int:
        """The tier that holds at ``now``; the end is exclusive."""
        return self.tier if self.ends_at is None or now < self.ends_at else 0


class ServiceKey(models.Model):
    """What the gateway or a script signs in with, kept as a SHA-256 digest; ``prefix`` is what
    people recognise it by. Not to be confused with a customer's API key. ``scopes``: the
    permissions it holds, of those that ``users.service_actor`` offers."""

    name = models.TextField()
    digest = models.BinaryField(unique=True, max_length=32)
    prefix = models.TextField()
    scopes = ArrayField(models.TextField())
    created_at = models.DateTimeField(default=now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "subscriptions_servicekey"
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="servicekey_name_not_empty"),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")),
                name="servicekey_expires_after_creation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
