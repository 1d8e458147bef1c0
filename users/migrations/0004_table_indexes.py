"""Indexes that the user table sorts and filters by."""

from datetime import UTC, datetime

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0003_imports")]

    operations = [
        AddIndexConcurrently(
            "user", models.Index(Coalesce("last_seen_at", NEVER), models.F("id"), name="user_seen")
        ),
        AddIndexConcurrently(
            "user",
            models.Index(
                fields=["id"], name="user_no_email", condition=models.Q(email__isnull=True)
            ),
        ),
        AddIndexConcurrently(
            "user",
            models.Index(
                fields=["id"], name="user_closed", condition=models.Q(closed_at__isnull=False)
            ),
        ),
        AddIndexConcurrently(
            "user",
            models.Index(
                fields=["email_state", "id"],
                name="user_email_state",
                condition=~models.Q(email_state="ok"),
            ),
        ),
    ]
