"""Emptying the database after a test that committed: append-only tables refuse TRUNCATE, and what
migrations put there (tiers, reasons, the chart of accounts) must come back."""

from django.db import OperationalError, connection, transaction

_ATTEMPTS = 5
_DEADLOCK = "40P01"
_seeds = {}


def remember_seeds():
    """Keep the rows that migrations made, as COPY text by table; once for each test database."""
    _seeds.clear()
    for table in _tables():
        text = _copy_out(table)
        if text:
            _seeds[table] = text


def empty():
    """Bring the database back to how migrations left it. A request that a browser still had under
    way may hold what we need, and wait for what we hold: then again."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _empty()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _DEADLOCK or attempt == _ATTEMPTS:
                raise
        else:
            return


def _empty():
    with transaction.atomic(), connection.cursor() as cursor:
        guarded = _guarded_against_truncate(cursor)
        for table, trigger in guarded:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER "{trigger}"')
        cursor.execute("TRUNCATE " + ", ".join(f'"{table}"' for table in _tables()))
        for table, trigger in guarded:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER "{trigger}"')
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in sorted(_seeds, key=lambda name: name != "billing_account"):
            with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                copy.write(_seeds[table])


def _tables():
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'django_migrations'
               ORDER BY relname"""
        )
        return [name for (name,) in cursor.fetchall()]


def _guarded_against_truncate(cursor):
    cursor.execute(
        """SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           WHERE NOT t.tgisinternal AND t.tgtype & 32 <> 0"""
    )
    return cursor.fetchall()


def _copy_out(table):
    with (
        connection.cursor() as cursor,
        cursor.copy(f'COPY (SELECT * FROM "{table}") TO STDOUT') as copy,
    ):
        return b"".join(bytes(block) for block in copy)
