"""Nobody is suspended anew for having been banned before the import."""

from django.db import migrations


def set_active(active):
    def apply(apps, schema_editor):
        codes = apps.get_model("users", "ReasonCode").objects
        codes.filter(code="imported").update(active=active)

    return apply


class Migration(migrations.Migration):
    dependencies = [("users", "0006_search_indexes")]
    operations = [migrations.RunPython(set_active(False), set_active(True))]
