"""What bin/start must know of the database without Django: is it up to date, is anybody in it?"""

import contextlib
import hashlib
from collections.abc import Iterator

import psycopg
from psycopg import sql

from coai_admin.runtime.home import CHECKOUT
from coai_admin.runtime.process import CannotRun


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection by DATABASE_URL. Raises CannotRun with the reason where there is none."""
    try:
        connection = psycopg.connect(
            "postgresql://" + url.partition("://")[2], connect_timeout=5, autocommit=True
        )
    except psycopg.Error as error:
        raise CannotRun(f"DATABASE_URL leads nowhere: {error}") from error
    with connection:
        yield connection


def has_tables(connection: psycopg.Connection) -> bool:
    """Whether ``migrate`` ever ran here."""
    return _exists(connection, "django_migrations")


def is_migrated(connection: psycopg.Connection) -> bool:
    """Whether ``mark_migrated`` still holds: neither migrations nor what was applied changed."""
    if not has_tables(connection):
        return False
    row = connection.execute("SELECT obj_description('django_migrations'::regclass)").fetchone()
    return row is not None and row[0] == _fingerprint(connection)


def mark_migrated(connection: psycopg.Connection) -> None:
    """Note in the database that ``migrate`` ran: one Django start less at the next bin/start."""
    note = sql.SQL("COMMENT ON TABLE django_migrations IS {}").format(_fingerprint(connection))
    connection.execute(note)


def has_users(connection: psycopg.Connection) -> bool:
    """Whether there is anybody at all."""
    row = connection.execute("SELECT EXISTS (SELECT FROM users_user)").fetchone()
    return row is not None and bool(row[0])


def _exists(connection: psycopg.Connection, table: str) -> bool:
    return connection.execute("SELECT WHERE to_regclass(%s) IS NOT NULL", [table]).rowcount == 1


def _fingerprint(connection: psycopg.Connection) -> str:
    digest = hashlib.sha256((CHECKOUT / "requirements.lock").read_bytes())
    for file in sorted(CHECKOUT.glob("*/migrations/*.py")):
        digest.update(f"{file.parent.parent.name}/{file.name}".encode() + file.read_bytes())
    applied = connection.execute("SELECT count(*), max(id) FROM django_migrations").fetchone()
    return f"{digest.hexdigest()} {applied}"
