"""An import that dies anywhere, and the next one that goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from audit.models import AuditEntry
from tests import storms
from tests.database import empty
from tests.factories import make_user
from tests.users.imports.deployments import Deployment, run
from tests.users.imports.test_import import agrees, as_of, stands
from users.import_models import ImportRun, LegacyRow
from users.imports import loading, running
from users.imports.running import ImportBroken, ImportBusy
from users.imports.sqlite import SQLite
from users.imports.tables import SourceUnreadable
from users.models import User

_CHECKOUT = Path(__file__).resolve().parents[3]
_PATIENCE = 120


class Died(BaseException):
    """As SIGKILL: nothing of ours may catch it."""


def contents():
    """What people and their rows come to, ids and times of writing aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT u.username, u.email, u.legacy_id, u.legacy_username, u.role, u.import_flags,
                a.balance, a.opening_used, a.overdraft_limit, a.version, s.tier, s.ends_at,
                s.legacy_months,
                (SELECT count(*) FROM users_restriction r WHERE r.user_id = u.id),
                (SELECT array_agg(k.prefix) FROM users_apikey k WHERE k.user_id = u.id)
            FROM users_user u JOIN billing_account a ON a.user_id = u.id
            JOIN subscriptions_standing s ON s.user_id = u.id ORDER BY u.legacy_id
            """
        )
        people = cursor.fetchall()
        cursor.execute(
            """SELECT l.table_name, l.key, l.row, l.state, u.legacy_id, l.facts
               FROM users_legacyrow l LEFT JOIN users_user u ON u.id = l.user_id ORDER BY 1, 2"""
        )
        return people, cursor.fetchall()


def small(path):
    deployment = Deployment(path)
    for pk in range(1, 8):
        name = "BOB" if pk == 5 else "bob" if pk == 2 else f"u{pk}"
        key = f"sk-{pk:064x}" if pk % 2 else None
        deployment.person(pk, name, quota=pk * 1.5 - 5, used=pk, key=key, is_banned=pk == 3)
    deployment.subscribe(1, 2, "2027-01-01 00:00:00")
    deployment.subscribe(4, 0, None, months=-2)
    deployment.insert("quota", user_id=99, quota=1, used=1)
    deployment.insert("conversation", user_id=1, data="[]")
    deployment.insert("conversation", user_id=99, data="[]")
    return deployment


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.storm)])
@pytest.mark.django_db(transaction=True)
def test_dying_at_any_statement_and_going_on_gives_the_same(tmp_path, monkeypatch, every):
    monkeypatch.setattr(loading, "CHUNK", 3)
    deployment = small(tmp_path / "x.db")
    told = []
    with connection.execute_wrapper(
        lambda execute, sql, *rest: (told.append(sql), execute(sql, *rest))[1]
    ):
        run(deployment)
    whole = contents()
    first = next(
        place for place, sql in enumerate(told, 1) if "users_importrun" in sql and "INSERT" in sql
    )
    assert len(told) - first > 40
    for place in storms.take(range(first, len(told) + 1, every)):
        empty()
        with pytest.raises(Died), connection.execute_wrapper(dying_at(place)):
            run(deployment)
        connection.close()  # what the server does when its client is gone
        run(deployment)
        assert contents() == whole
        assert [row.state for row in ImportRun.objects.all()] == ["finished"]
        assert AuditEntry.objects.filter(action="imports.coai").count() == 1


def dying_at(place):
    """A wrapper of statements under which the ``place``-th is the last."""
    left = place

    def execute_or_die(execute, sql, params, many, context):
        nonlocal left
        left -= 1
        if left == 0:
            raise Died
        return execute(sql, params, many, context)

    return execute_or_die


def command(*arguments):
    here = urlsplit(os.environ["DATABASE_URL"])
    ours = here._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {**os.environ, "DATABASE_URL": f"postgresql://{ours.partition('://')[2]}"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_coai", *map(str, arguments)],
        cwd=_CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rows_of(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_then_finished_equals_the_truth(sample, truth):
    arguments = ("--sqlite", sample / "chatnio.db", "--as-of", truth["as_of"])
    for table, enough in [("users_user", 1), ("users_legacyrow", 14_000)]:
        process = command(*arguments)
        deadline = time.monotonic() + _PATIENCE
        while rows_of(table) < enough and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        told = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, told
        assert ImportRun.objects.get().state == "running"
    report = run(sample / "chatnio.db", as_of=as_of(truth))
    agrees(report, truth)
    stands(truth)
    row = ImportRun.objects.get()
    assert (row.state, row.resumed) == ("finished", 2)
    assert LegacyRow.objects.count() == sum(truth["rows"].values())


@pytest.mark.django_db(transaction=True)
def test_only_one_import_at_a_time(deployment, monkeypatch):
    monkeypatch.setattr(running, "_LOCK_PATIENCE", 0.3)
    deployment.person(1, "ana")
    place = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name in ("host", "port", "user", "password", "dbname")
    }
    with psycopg.connect(**place, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [running._LOCK])
        with pytest.raises(ImportBusy):
            run(deployment)
    assert not User.objects.exists()
    run(deployment)
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_name_taken_by_somebody_else_while_the_import_runs(deployment, monkeypatch):
    deployment.person(1, "ana", quota=5)
    read, taken = loading._read, []

    def late(*arguments, **options):
        if not taken:  # once the plan is made, on a connection of its own
            thread = threading.Thread(target=take)
            thread.start()
            thread.join()
        return read(*arguments, **options)

    def take():
        taken.append(make_user("Ana"))
        connection.close()

    monkeypatch.setattr(loading, "_read", late)
    run(deployment)
    user = User.objects.get(legacy_id=1)
    assert (user.username, user.account.balance) == ("ana~1", 5)
    assert "username_taken" in user.import_flags


@pytest.mark.django_db(transaction=True)
def test_source_that_fails_in_the_middle_is_noted_and_gone_on_with(deployment, monkeypatch):
    deployment.person(1, "ana", quota=5)
    deployment.insert("redeem", code="nio-x", quota=1, used=0)
    rows = SQLite.rows

    def broken(self, table):
        if table.name == "redeem":
            raise SourceUnreadable("The wire was cut.")
        return rows(self, table)

    with monkeypatch.context() as patch:
        patch.setattr(SQLite, "rows", broken)
        with pytest.raises(ImportBroken):
            run(deployment)
    failed = ImportRun.objects.get()
    assert (failed.state, failed.report) == ("failed", {"error": "The wire was cut."})
    run(deployment)
    assert ImportRun.objects.get().state == "finished"
    assert User.objects.get().account.balance == 5
