"""The four tiers, as data; editable afterwards."""

from django.db import migrations

TIERS = [
    (0, "Free", "Everybody without a subscription: pays with credits."),
    (1, "Basic", "Monthly quotas of the basic models."),
    (2, "Standard", "Larger quotas, all common models."),
    (3, "Pro", "The largest quotas, every model."),
]


def add_tiers(apps, schema_editor):
    tier = apps.get_model("subscriptions", "Tier")
    tier.objects.bulk_create(
        tier(level=level, name=name, description=text) for level, name, text in TIERS
    )


def remove_tiers(apps, schema_editor):
    apps.get_model("subscriptions", "Tier").objects.filter(
        level__in=[row[0] for row in TIERS]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [migrations.RunPython(add_tiers, remove_tiers)]
