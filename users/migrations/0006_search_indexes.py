"""Indexes that people are found by: where they signed in from, and how their API keys begin."""

from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0005_accounts_and_views")]

    operations = [
        AddIndexConcurrently("session", models.Index(fields=["ip"], name="session_ip")),
        AddIndexConcurrently(
            "apikey",
            models.Index(OpClass("prefix", name="text_pattern_ops"), name="apikey_prefix"),
        ),
    ]
