"""CoAI deployments as SQLite files of any size, with the oddities of real ones."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

_SCHEMA = """
CREATE TABLE auth (id INTEGER PRIMARY KEY AUTOINCREMENT, bind_id INTEGER UNIQUE,
    username TEXT UNIQUE, token TEXT NOT NULL, email TEXT UNIQUE, password TEXT NOT NULL,
    is_admin BOOLEAN DEFAULT FALSE,
    is_banned BOOLEAN DEFAULT FALSE);
CREATE TABLE quota (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INT UNIQUE, quota REAL(24, 6),
    used REAL(24, 6), created_at TEXT, updated_at TEXT);
CREATE TABLE subscription (id INTEGER PRIMARY KEY AUTOINCREMENT, level INT, user_id INT UNIQUE,
    expired_at TEXT, created_at TEXT, updated_at TEXT, total_month INT,
    enterprise BOOLEAN DEFAULT FALSE);
CREATE TABLE apikey (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INT UNIQUE, api_key TEXT UNIQUE,
    created_at TEXT);
CREATE TABLE redeem (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, quota REAL(16, 4),
    used BOOLEAN DEFAULT FALSE, created_at TEXT, updated_at TEXT);
CREATE TABLE conversation (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INT, conversation_id INT,
    conversation_name TEXT, data TEXT, model TEXT, task_id TEXT, updated_at TEXT);
"""
_TALK = '[{"role":"user","content":"hi"}]'
_NAMES = (
    "wei",
    "amara",
    "josé",
    "小明",
    "Ольга",
    "noah",
    "priya",
    "yuki",
    "leo",
    "MARIA",
    "fatima",
)
_PLACES = ("qq.com", "163.com", "gmail.com", "outlook.com", "example.org")
_NOW = datetime(2026, 11, 20, 12)  # noqa: DTZ001 (CoAI's wall clock has no zone)


def write(path: Path, users: int, *, seed: int = 1) -> None:
    """Write a deployment of that many users: 95 % with an email address, a third with a
    subscription, three in ten with an API key, half of them with a conversation; some banned, in
    debt, or colliding but for case."""
    chance = random.Random(seed)  # noqa: S311 (made up)
    with sqlite3.connect(path) as database:
        database.executescript(_SCHEMA)
        database.executemany(
            "INSERT INTO auth VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _people(users, chance)
        )
        database.executemany(
            "INSERT INTO quota (user_id, quota, used, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?)",
            _quotas(users, chance),
        )
        database.executemany(
            "INSERT INTO subscription (level, user_id, expired_at, created_at, updated_at,"
            " total_month) VALUES (?, ?, ?, ?, ?, ?)",
            _subscriptions(users, chance),
        )
        database.executemany(
            "INSERT INTO apikey (user_id, api_key, created_at) VALUES (?, ?, ?)",
            _keys(users, chance),
        )
        database.executemany(
            "INSERT INTO redeem (code, quota, used, created_at) VALUES (?, ?, ?, ?)",
            (
                (f"nio-{_hex(chance, 32)}", 10.0, chance.random() < 0.5, _when(chance))
                for _code in range(users // 20)
            ),
        )
        database.executemany(
            "INSERT INTO conversation (user_id, conversation_id, conversation_name, data, model,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (chance.randint(1, users + 1), 1, "hello", _TALK, "gpt-4o", _when(chance))
                for _talk in range(users // 2)
            ),
        )
    database.close()


def _people(users: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for pk in range(1, users + 1):
        name = f"{_NAMES[pk % len(_NAMES)]}_u{pk}"
        if pk % 500 == 0:  # the same as the one before, but for case
            name = f"{_NAMES[(pk - 1) % len(_NAMES)]}_u{pk - 1}".swapcase()
        email = f"u{pk}@{chance.choice(_PLACES)}" if chance.random() < 0.95 else None
        password = hashlib.sha256(f"secret{pk if pk % 300 else 7}".encode()).hexdigest()
        token = hashlib.sha256(f"{email}{name}".encode()).hexdigest()
        yield pk, pk - 1, name, token, email, password, pk % 400 == 0, pk % 60 == 0


def _quotas(users: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for pk in range(1, users + 1):
        if chance.random() < 0.995:
            joined = _when(chance)
            balance = round(chance.uniform(-50, 2_000), 6)
            yield pk, balance, round(chance.uniform(0, 5_000), 6), joined, joined


def _subscriptions(users: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for pk in range(1, users + 1):
        if chance.random() < 0.35:
            ends = (
                None
                if chance.random() < 0.03
                else _shown(_NOW + timedelta(days=chance.randint(-400, 400)))
            )
            yield (
                chance.choice((0, 1, 1, 2, 3)),
                pk,
                ends,
                _when(chance),
                _when(chance),
                chance.randint(-1, 36),
            )


def _keys(users: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    for pk in range(1, users + 1):
        if chance.random() < 0.3:
            yield pk, f"sk-{_hex(chance, 64)}", _when(chance)


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _when(chance: random.Random) -> str:
    return _shown(_NOW - timedelta(seconds=chance.randint(0, 3 * 365 * 24 * 3600)))


def _shown(moment: datetime) -> str:
    return moment.isoformat(" ")
