"""What people are found by whatever the accents: an index of the names that are not ASCII alone."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, UnaccentExtension
from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan

# unaccent() is only stable, because its dictionary may be changed; ours is named and stays. Schemas
# are named because a restored dump and autovacuum look nothing up. Not for parallel workers: to start
# them takes longer than to count to the cap.
CREATE = """
CREATE FUNCTION users_plain_text(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN upper(public.unaccent('public.unaccent'::regdictionary, name));
END
$$
"""


def plain_text(name: models.F) -> models.Func:
    return models.Func(name, function="users_plain_text", output_field=models.TextField())


def octets(name: models.F) -> models.Func:
    return models.Func(name, function="octet_length", output_field=models.IntegerField())


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0008_password_age")]

    operations = [
        UnaccentExtension(),
        migrations.RunSQL(CREATE, "DROP FUNCTION users_plain_text(text)"),
        AddIndexConcurrently(
            "user",
            GinIndex(
                OpClass(plain_text(models.F("username")), name="gin_trgm_ops"),
                name="user_plain_name_trgm",
                condition=models.Q(GreaterThan(octets(models.F("username")), Length("username"))),
            ),
        ),
    ]
