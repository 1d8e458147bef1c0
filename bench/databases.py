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


def use(name: str, *, fresh: bool = False) -> bool:
    """Point DATABASE_URL of this process at the migrated database ``name``. It is made anew where
    it is missing, was left half filled, belongs to other migrations, or if ``fresh``. To be called
    before Django starts. Gives back whether it is filled already (see ``filled``)."""
    base = os.environ["DATABASE_URL"]
    with psycopg.connect(_plain(base), autocommit=True) as connection:
        ready = not fresh and _comment(connection, name) == _fingerprint()
        if not ready:
            _drop(connection, name)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    os.environ["DATABASE_URL"] = urlsplit(base)._replace(path=f"/{name}").geturl()
    if not ready:
        _manage("migrate", "--noinput", "-v0")
    return ready


def seed(name: str, users: int) -> None:
    """See that the database ``name`` holds that many users of bench/seed.py; DATABASE_URL stays."""
    base = os.environ["DATABASE_URL"]
    if not use(name):
        command = [sys.executable, "-m", "bench.seed", str(users)]
        subprocess.run(command, check=True, cwd=_CHECKOUT)
    os.environ["DATABASE_URL"] = base


def filled() -> None:
    """Note in the database of DATABASE_URL that it may be used again as it is."""
    with psycopg.connect(_plain(os.environ["DATABASE_URL"]), autocommit=True) as connection:
        statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(statement.format(name, sql.Literal(_fingerprint())))


def copy_of(name: str, copy: str) -> None:
    """Point DATABASE_URL at a fresh copy of the filled database ``name``, for what writes."""
    base = os.environ["DATABASE_URL"]
    maintenance = urlsplit(base)._replace(path="/postgres").geturl()
    with psycopg.connect(_plain(maintenance), autocommit=True) as connection:
        _drop(connection, copy)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(copy), sql.Identifier(name)
            )
        )
    os.environ["DATABASE_URL"] = urlsplit(base)._replace(path=f"/{copy}").geturl()


def drop(name: str) -> None:
    """Remove a database that is no longer needed."""
    maintenance = urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres").geturl()
    with psycopg.connect(_plain(maintenance), autocommit=True) as connection:
        _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    connection.execute(statement.format(sql.Identifier(name)))


def _plain(url: str) -> str:
    return "postgresql://" + url.partition("://")[2]


def _comment(connection: psycopg.Connection, name: str) -> str | None:
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    return row[0] if row else None


def _fingerprint() -> str:
    """Changes with the migrations and with what fills the databases."""
    digest = hashlib.sha256()
    for file in [*sorted(_CHECKOUT.glob("*/migrations/*.py")), Path(__file__).with_name("seed.py")]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _manage(*command: str) -> None:
    subprocess.run([sys.executable, str(_CHECKOUT / "manage.py"), *command], check=True)
