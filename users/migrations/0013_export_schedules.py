import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0012_uploads"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExportSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.TextField()),
                ("follows_view", models.BooleanField(default=False)),
                ("query", models.TextField(blank=True, default="")),
                (
                    "columns",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("masked", models.BooleanField(default=True)),
                ("reason", models.TextField(blank=True, default="")),
                ("file_type", models.TextField()),
                ("every", models.TextField(choices=[("day", "every day"), ("week", "every week")])),
                (
                    "weekday",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        choices=[
                            (0, "Monday"),
                            (1, "Tuesday"),
                            (2, "Wednesday"),
                            (3, "Thursday"),
                            (4, "Friday"),
                            (5, "Saturday"),
                            (6, "Sunday"),
                        ],
                        null=True,
                    ),
                ),
                ("hour", models.PositiveSmallIntegerField()),
                ("next_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("stopped", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "view",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="schedules",
                        to="users.savedview",
                    ),
                ),
            ],
            options={
                "db_table": "users_exportschedule",
                "indexes": [
                    models.Index(
                        condition=models.Q(("paused_at__isnull", True), ("stopped", "")),
                        fields=["next_at"],
                        name="exportschedule_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("owner"),
                        django.db.models.functions.text.Lower("name"),
                        name="exportschedule_name_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="exportschedule_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hour__lt", 24)), name="exportschedule_hour_of_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("every", "day"), ("weekday__isnull", True)),
                            models.Q(("every", "week"), ("weekday__lt", 7)),
                            _connector="OR",
                        ),
                        name="exportschedule_weekday_of_a_week",
                    ),
                ],
            },
        ),
    ]
