"""Databases for measurements, made beside the one in DATABASE_URL and never in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

_CHECKOUT = Path(__file__).resolve().parent.parent


def use(name: str) -> None:
    """Point DATABASE_URL of this process at the database ``name``. To be called before Django
    starts."""
    os.environ["DATABASE_URL"] = _url(name)


def make(name: str) -> None:
    """Make the database ``name`` anew, migrated and empty."""
    drop(name)
    with _maintenance() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    _run("manage.py", "migrate", "--noinput", "--skip-checks", "-v0", database=_url(name))


def seed(name: str, users: int) -> None:
    """See that the database ``name`` holds that many users of bench/seed.py."""
    with _maintenance() as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [name],
        ).fetchone()
    if row is None or row[0] != _fingerprint():
        _run("-m", "bench", "seed", "--users", str(users), database=os.environ["DATABASE_URL"])


def filled() -> None:
    """Note in the database of DATABASE_URL that it may be used again as it is."""
    with _connect(os.environ["DATABASE_URL"]) as connection:
        statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(statement.format(name, sql.Literal(_fingerprint())))


def copy(name: str, new: str) -> None:
    """Make ``new`` a copy of the database ``name``, for what writes."""
    drop(new)
    with _maintenance() as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(new), sql.Identifier(name)))


def drop(name: str) -> None:
    """Remove a database that is not needed any more."""
    with _maintenance() as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(name)))


def _url(name: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def _maintenance() -> psycopg.Connection:
    """A connection to no database of ours: one with connections cannot be copied."""
    return _connect(_url("postgres"))


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect("postgresql://" + url.partition("://")[2], autocommit=True)


def _fingerprint() -> str:
    """Changes with the migrations and with what fills the databases."""
    digest = hashlib.sha256()
    for file in [*sorted(_CHECKOUT.glob("*/migrations/*.py")), Path(__file__).with_name("seed.py")]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _run(*command: str, database: str) -> None:
    """Run one of ours in a process of its own, since Django keeps to one database. Ends this one
    where that fails, which has said why."""
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=_CHECKOUT,
        env={**os.environ, "DATABASE_URL": database},
        stdout=sys.stderr,
    )
    if done.returncode:
        sys.exit(done.returncode)
