"""Small CoAI deployments made row by row, in any version's schema."""

import hashlib
import io
import itertools
import sqlite3
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from users.imports.progress import Progress
from users.imports.running import Request, import_deployment
from users.imports.sources import Address

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
SCHEMA = {
    "auth": "id INTEGER PRIMARY KEY, bind_id INTEGER, username TEXT, token TEXT, email TEXT, "
    "password TEXT, is_admin BOOLEAN DEFAULT FALSE, is_banned BOOLEAN DEFAULT FALSE",
    "quota": "id INTEGER PRIMARY KEY, user_id INT, quota REAL(24, 6), used REAL(24, 6), "
    "created_at TEXT, updated_at TEXT",
    "subscription": "id INTEGER PRIMARY KEY, level INT, user_id INT, expired_at TEXT, "
    "created_at TEXT, updated_at TEXT, total_month INT, enterprise BOOLEAN DEFAULT FALSE",
    "apikey": "id INTEGER PRIMARY KEY, user_id INT, api_key TEXT, created_at TEXT",
    "invitation": "id INTEGER PRIMARY KEY, code TEXT, quota REAL, type TEXT, used BOOLEAN, "
    "used_id INT, created_at TEXT",
    "redeem": "id INTEGER PRIMARY KEY, code TEXT, quota REAL, used BOOLEAN, created_at TEXT",
    "package": "id INTEGER PRIMARY KEY, user_id INT, type TEXT, created_at TEXT",
    "conversation": "id INTEGER PRIMARY KEY, user_id INT, conversation_id INT, "
    "conversation_name TEXT, data TEXT, model TEXT, task_id TEXT, updated_at TEXT",
}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Deployment:
    """A database file. ``schema`` replaces the columns of a table, or (None) leaves it out."""

    def __init__(self, path, **schema):
        self.path = path
        self._keys = itertools.count(1)
        with self._database() as database:
            for table, columns in {**SCHEMA, **schema}.items():
                if columns is not None:
                    database.execute(f"CREATE TABLE {table} ({columns})")

    def _database(self):
        return sqlite3.connect(self.path)

    def execute(self, statement, values=()):
        database = self._database()
        with database:
            database.execute(statement, values)
        database.close()

    def insert(self, table, **cells):
        marks = ", ".join("?" for _name in cells)
        self.execute(
            f"INSERT INTO {table} ({', '.join(cells)}) VALUES ({marks})", tuple(cells.values())
        )

    def person(self, pk, username, *, password="secret1", quota=None, used=0.0, key=None, **auth):
        """A user with a credit row (unless ``quota`` is None) and a key, if one is given."""
        cells = {"email": f"u{pk}@example.org", "token": sha256(f"{pk}@{username}"), **auth}
        self.insert("auth", id=pk, username=username, password=sha256(password), **cells)
        if quota is not None:
            self.insert(
                "quota", user_id=pk, quota=quota, used=used, created_at="2024-03-01 08:00:00"
            )
        if key is not None:
            self.insert("apikey", user_id=pk, api_key=key, created_at="2025-01-01 00:00:00")

    def subscribe(self, pk, level, expired_at, months=1, created_at="2025-01-01 00:00:00"):
        self.insert(
            "subscription",
            user_id=pk,
            level=level,
            expired_at=expired_at,
            created_at=created_at,
            total_month=months,
        )


def run(where, *, now=NOW, **options):
    """Import a Deployment, a path or a URL in this process; returns the report."""
    if isinstance(where, str):
        address = Address(mysql=where)
    else:
        address = Address(sqlite=getattr(where, "path", where))
    request = Request(address, options.pop("zone", SHANGHAI), **options)
    return import_deployment(request, now=now, progress=Progress(io.StringIO()))
