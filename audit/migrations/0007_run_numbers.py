from django.db import migrations, models
from django.db.models import Func, Value


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_approvals")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE audit_run_number_seq", "DROP SEQUENCE audit_run_number_seq"
        ),
        migrations.AddField(
            model_name="run",
            name="number",
            field=models.BigIntegerField(
                db_default=Func(Value("audit_run_number_seq"), function="nextval"),
                editable=False,
                unique=True,
            ),
        ),
        migrations.RemoveIndex(model_name="run", name="run_created"),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["created_at", "number"], name="run_created"),
        ),
    ]
