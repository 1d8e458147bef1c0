"""A receipt may say that a target failed. The check is proved apart, so that no act waits."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models

OUTCOMES = [(1, "changed"), (2, "unchanged"), (3, "refused"), (4, "failed")]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0003_runs")]

    operations = [
        migrations.AlterField("receipt", "outcome", models.SmallIntegerField(choices=OUTCOMES)),
        migrations.RemoveConstraint("receipt", "receipt_outcome_known"),
        AddConstraintNotValid(
            "receipt",
            models.CheckConstraint(
                condition=models.Q(outcome__in=[1, 2, 3, 4]), name="receipt_outcome_known"
            ),
        ),
        ValidateConstraint("receipt", "receipt_outcome_known"),
    ]
