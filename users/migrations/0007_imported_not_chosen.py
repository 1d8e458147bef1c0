"""Nobody is suspended anew for having been banned before the import."""

from django.db import migrations


def hide(apps, schema_editor):
    apps.get_model("users", "ReasonCode").objects.filter(code="imported").update(active=False)


def offer(apps, schema_editor):
    apps.get_model("users", "ReasonCode").objects.filter(code="imported").update(active=True)


class Migration(migrations.Migration):
    dependencies = [("users", "0006_search_indexes")]
    operations = [migrations.RunPython(hide, offer)]
