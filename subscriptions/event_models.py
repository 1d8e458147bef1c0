"""What happened to subscriptions. Part of ``subscriptions.models``."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """One change of a user's subscription, kept for ever: a trigger refuses to change it, and it
    outlives the rows it tells of (a subscription whose start was undone is no more).

    ``before`` and ``after``: the effective tier, the end and the months counted.
    """

    class Kind(models.TextChoices):
        STARTED = "started", _("started")
        ENDED = "ended", _("ended at once")
        TIER_CHANGED = "tier_changed", _("tier changed")
        END_SET = "end_set", _("end set")
        EXTENDED = "extended", _("extended")
        SHORTENED = "shortened", _("shortened")
        UNDONE = "undone", _("undone")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="+"
    )
    subscription_id = models.BigIntegerField(null=True)
    kind = models.TextField(choices=Kind.choices)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    act_id = models.UUIDField()
    before = models.JSONField(encoder=DjangoJSONEncoder)
    after = models.JSONField(encoder=DjangoJSONEncoder)

    class Meta:
        db_table = "subscriptions_event"
        indexes = [models.Index(fields=["user", "at"], name="event_of_user")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.user_id}"
