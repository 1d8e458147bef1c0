"""An index of the subscriptions without an end: the user table, sorted by end, begins or ends with them."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("subscriptions", "0005_history")]

    operations = [
        AddIndexConcurrently(
            "standing",
            models.Index(
                fields=["user"],
                name="standing_endless",
                condition=models.Q(subscription__isnull=False, ends_at__isnull=True),
            ),
        ),
    ]
