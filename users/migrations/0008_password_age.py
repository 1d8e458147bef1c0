"""The index that people are found by whose password is old."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0007_imported_not_chosen")]

    operations = [
        AddIndexConcurrently(
            "user",
            models.Index(fields=["password_changed_at", "id"], name="user_password_changed"),
        ),
    ]
