from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0013_export_schedules"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="attempts",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
