"""What one person booked by hand, for their limits: usage has no actor and stays out of the index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_reconciliation")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX billing_transfer_actor ON billing_transfer (actor_id, created_at)"
            " WHERE actor_id IS NOT NULL",
            "DROP INDEX billing_transfer_actor",
        )
    ]
