"""What is in the database, as one digest: how a test proves that nothing was written."""

from django.db import connection

# A request by itself moves these.
IGNORED = {"users_session", "django_migrations", "django_content_type", "auth_permission"}


def tables():
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"""
        )
        return [name for (name,) in cursor.fetchall() if name not in IGNORED]


def database(*, without=()):
    """A digest per table; ``without`` names tables to leave out. A person's last_seen_at does not
    count."""
    digests = {}
    with connection.cursor() as cursor:
        for table in tables():
            if table in without:
                continue
            row = "to_jsonb(t) - 'last_seen_at'" if table == "users_user" else "to_jsonb(t)"
            cursor.execute(
                f"SELECT count(*), coalesce(sum(hashtextextended(({row})::text, 0)), 0)"
                f" FROM {table} t"
            )
            digests[table] = cursor.fetchone()
    return digests
