"""Indexes that the user table sorts and filters by: each key with the user's id in the same order."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("subscriptions", "0002_tiers")]

    operations = [
        AddIndexConcurrently(
            "standing",
            models.Index(fields=["tier", "user"], include=["ends_at"], name="standing_by_tier"),
        ),
        AddIndexConcurrently(
            "standing",
            models.Index(
                fields=["ends_at", "user"],
                name="standing_by_end",
                condition=models.Q(ends_at__isnull=False),
            ),
        ),
        AddIndexConcurrently(
            "standing",
            models.Index(
                models.F("months") + models.F("legacy_months"),
                models.F("user"),
                name="standing_by_months",
            ),
        ),
        AddIndexConcurrently(
            "standing",
            models.Index(
                fields=["user"],
                include=["ends_at"],
                name="standing_subscribed",
                condition=models.Q(subscription__isnull=False),
            ),
        ),
        RemoveIndexConcurrently("standing", "standing_tier"),
        RemoveIndexConcurrently("standing", "standing_ends"),
        RemoveIndexConcurrently("standing", "standing_months"),
    ]
