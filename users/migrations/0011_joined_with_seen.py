"""The index of the table's usual order also holds when somebody was last seen, the commonest filter
of that order: half a million newer users are passed over without reading their rows."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0010_second_factor_resets")]

    operations = [
        AddIndexConcurrently(
            "user",
            models.Index(
                fields=["joined_at", "id"], include=["last_seen_at"], name="user_joined_seen"
            ),
        ),
        RemoveIndexConcurrently("user", "user_joined"),
    ]
