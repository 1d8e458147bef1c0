"""Databases as no CoAI should have them: nothing crashes, is lost, or is kept in clear."""

import hashlib
import json
import sqlite3
import tempfile
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.users.imports.deployments import Deployment, run, sha256
from tests.users.imports.test_import import everything
from users.import_models import LegacyRow
from users.models import User

UNTYPED = {
    "auth": "id, bind_id, username, token, email, password, is_admin, is_banned",
    "quota": "id, user_id, quota, used, created_at, updated_at",
    "subscription": "id, level, user_id, expired_at, created_at, total_month, enterprise",
    "apikey": "id, user_id, api_key, created_at",
    "conversation": "id, user_id, data",
    "anything": "a, b, c",
}


def untyped(path):
    """The tables of CoAI without types and keys, so that every cell may hold anything."""
    return Deployment(path, **UNTYPED, invitation=None, redeem=None, package=None)


def accounted(report):
    for counts in report["tables"].values():
        assert counts["read"] == counts["imported"] + counts["kept"] + counts["quarantined"]


def texts():
    """Every value of every column of every table, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition"""
        )
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            found += [row for (row,) in cursor.fetchall()]
        return "\n".join(found)


@pytest.mark.django_db
def test_hostile_people(tmp_path):
    deployment = untyped(tmp_path / "x.db")
    names = ["a\x00b", b"\xff\xfe", "", "   ", None, "\u202egnp", "a\nb", "x" * 10_000, 5, 2.5, b""]
    names += [
        "'; DROP TABLE users_user; --",
        "<script>",
        "=1+1",
        "İ",
        "ß",
        "SS",
        "ss",
        "ﬀ",
        "e\u0301",
    ]
    for pk, name in enumerate(names, 1):
        deployment.insert("auth", id=pk, username=name, password=sha256("a"), email=name)
    deployment.execute("INSERT INTO auth (id, username) VALUES (99, CAST(x'ff4142' AS TEXT))")
    people = len(names) + 1
    report = run(deployment)
    accounted(report)
    assert report["tables"]["auth"]["imported"] == people
    assert User.objects.filter(legacy_source="coai").count() == people
    assert User.objects.get(legacy_id=99).username == "\ufffdAB"
    assert run(deployment)["people"]["unchanged"] == people


@pytest.mark.django_db
def test_hostile_rows_are_all_accounted_for(tmp_path):
    deployment = untyped(tmp_path / "x.db")
    for pk in (1, 1, "1", None, "x", 2.5, -7, 2**62, "9" * 30, b"\x01"):
        deployment.insert("auth", id=pk, username=f"u{pk}", password=sha256("a"))
    for user, amount in [(1, 5), (1, 6), (None, 7), ("1", 8), (-7, "abc"), (2**62, float("inf"))]:
        deployment.insert("quota", id=user, user_id=user, quota=amount, used=amount)
    for level in (1, "2", None, 7, "x", b"\x03", 2.5):
        deployment.insert("subscription", id=1, user_id=-7, level=level, expired_at="never")
    for key in ("", None, b"\x00", "k", "k"):
        deployment.insert("apikey", id=1, user_id=1, api_key=key)
    for cell in (None, b"\xff", "\x00", float("nan"), 2**60, "x" * 100_000):
        deployment.insert("anything", a=cell, b=cell, c=cell)
    report = run(deployment)
    accounted(report)
    assert {name: each["read"] for name, each in report["tables"].items()} == {
        "auth": 10,
        "quota": 6,
        "subscription": 7,
        "apikey": 5,
        "conversation": 0,
        "anything": 6,
    }
    assert LegacyRow.objects.count() == 34
    before = everything()
    run(deployment)
    assert everything() == before


@pytest.mark.django_db
def test_secrets_stand_nowhere_in_the_database_or_the_report(tmp_path, capsys):
    password, key = sha256("hunter2"), "sk-" + hashlib.sha256(b"key").hexdigest()
    token, code = sha256("token"), "nio-" + hashlib.md5(b"code").hexdigest()
    deployment = Deployment(
        tmp_path / "x.db",
        auth="id INTEGER PRIMARY KEY, username TEXT, token TEXT, email TEXT, password TEXT, "
        "is_admin BOOLEAN, is_banned BOOLEAN, old_password TEXT, totp_secret TEXT, note TEXT",
        settings="key TEXT PRIMARY KEY, value TEXT",
        tokens="token TEXT PRIMARY KEY, user_id INT, extra BLOB",
    )
    plain = "Tr0ub4dor&3-plain"
    deployment.insert(
        "auth",
        id=1,
        username="ana",
        token=token,
        password=password,
        old_password=plain,
        totp_secret="JBSWY3DPEHPK3PXP",
        note=f"use {key} with password={plain}",
    )
    deployment.insert("quota", user_id=99, quota=1, used=key)
    deployment.insert("apikey", user_id=1, api_key=key)
    deployment.insert("redeem", code=code, quota=1, used=0)
    deployment.insert("settings", key="smtp_password", value=plain)
    deployment.insert("tokens", token=token, user_id=1, extra=key.encode())
    deployment.insert("conversation", user_id=1, data=json.dumps({"apiKey": plain, "k": [key]}))
    report = json.dumps(run(deployment))
    everywhere = texts() + report + capsys.readouterr().err
    for secret in (password, key, token, code, plain, "JBSWY3DPEHPK3PXP", sha256(password)):
        assert secret not in everywhere


cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 9),
    st.floats(allow_nan=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=12),
    st.sampled_from(
        ["0000-00-00", "2026-10-25 02:30:00", "9999-12-31 23:59:59", "1e400", "-0", "NaN"]
    ),
)
rows = st.lists(st.lists(cells, min_size=8, max_size=8), max_size=8)
tables = st.fixed_dictionaries(dict.fromkeys(UNTYPED, rows))


class Fuzz(TestCase):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables)
    def test_any_cells_anywhere(self, contents):
        with tempfile.TemporaryDirectory() as folder:
            deployment = untyped(Path(folder) / "x.db")
            database = sqlite3.connect(deployment.path)
            with database:
                for table, found in contents.items():
                    width = len(UNTYPED[table].split(","))
                    marks = ", ".join("?" * width)
                    database.executemany(
                        f"INSERT INTO {table} VALUES ({marks})", [row[:width] for row in found]
                    )
            database.close()
            report = run(deployment)
            accounted(report)
            again = run(deployment)
            assert again["people"]["new"] == again["people"]["changed"] == 0
            assert again["tables"] == report["tables"]
