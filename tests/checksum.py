"""What is in the database, as one digest: how a test proves that nothing was written."""

from django.db import connection

# A request by itself moves these.
IGNORED = {"users_session", "django_migrations", "django_content_type", "auth_permission"}
NOTED = {"users_user": "last_seen_at", "subscriptions_servicekey": "last_used_at"}


def tables():
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"""
        )
        return [name for (name,) in cursor.fetchall() if name not in IGNORED]


def database(*, without=()):
    """A digest per table; ``without`` names tables to leave out. When somebody was last seen, or
    a key last used, does not count."""
    digests = {}
    with connection.cursor() as cursor:
        for table in tables():
            if table in without:
                continue
            row = f"to_jsonb(t) - '{NOTED[table]}'" if table in NOTED else "to_jsonb(t)"
            cursor.execute(
                f"SELECT count(*), coalesce(sum(hashtextextended(({row})::text, 0)), 0)"
                f" FROM {table} t"
            )
            digests[table] = cursor.fetchone()
    return digests
