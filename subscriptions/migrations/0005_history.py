"""What happened to subscriptions, append-only; and from where their months are counted."""

import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER subscriptions_event_append_only BEFORE UPDATE OR DELETE ON subscriptions_event
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER subscriptions_event_no_truncate BEFORE TRUNCATE ON subscriptions_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""
CHANGEABLE = """
DROP TRIGGER subscriptions_event_append_only ON subscriptions_event;
DROP TRIGGER subscriptions_event_no_truncate ON subscriptions_event;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_partitioned_entries"),
        ("subscriptions", "0004_service_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="anchor_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subscription_id", models.BigIntegerField(null=True)),
                (
                    "kind",
                    models.TextField(
                        choices=[
                            ("started", "started"),
                            ("ended", "ended at once"),
                            ("tier_changed", "tier changed"),
                            ("end_set", "end set"),
                            ("extended", "extended"),
                            ("shortened", "shortened"),
                            ("undone", "undone"),
                        ]
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor_id", models.BigIntegerField(null=True)),
                ("act_id", models.UUIDField()),
                (
                    "before",
                    models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder),
                ),
                ("after", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "subscriptions_event",
                "indexes": [models.Index(fields=["user", "at"], name="event_of_user")],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
    ]
