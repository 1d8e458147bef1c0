"""bin/bench from the outside: databases of its own, filled as they should be, a line of JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from bench import databases

ROOT = Path(__file__).parent.parent.parent
USERS = 1_000
SEEDED = f"coai_bench_{USERS}"
KEYS = {"name", "value", "unit", "better", "peer", "ratio", "limit", "ok"}
pytestmark = pytest.mark.xdist_group("bench")


def bench(*words):
    return subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True
    )


def connect(database):
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()
    return psycopg.connect("postgresql://" + url.partition("://")[2], autocommit=True)


@pytest.fixture(scope="module")
def said():
    """What ``bench seed`` said; its database is there."""
    done = bench("seed", "--users", str(USERS), "--json")
    assert done.returncode == 0, done.stderr
    yield done.stdout
    for name in (SEEDED, "coai_bench_copy", "coai_bench_migrated"):
        databases.drop(name)


@pytest.fixture
def seeded(said):
    with connect(SEEDED) as connection:
        yield connection


def test_bench_ends_with_cases_as_json(said):
    cases = json.loads(said.splitlines()[-1])
    assert [set(case) for case in cases] == [KEYS] * len(cases)
    assert cases[0]["name"] == "seed 1,000 users"


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("users_user", USERS),
        ("subscriptions_standing", USERS),
        ("billing_account WHERE user_id IS NOT NULL", USERS),
        ("billing_statistics", USERS),
        ("billing_transfer", 2 * USERS),
        ("billing_transfer_default", 0),
        ("users_user WHERE password NOT LIKE '!%'", 0),
        ("billing_reconciliation", 0),
        ("pg_index WHERE NOT indisvalid", 0),
        ("pg_trigger WHERE tgenabled = 'D'", 0),
    ],
)
def test_seed_fills_every_table_and_leaves_it_whole(seeded, table, rows):
    assert seeded.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_seed_has_subscriptions_of_every_tier_and_restrictions(seeded):
    tiers = seeded.execute("SELECT tier, count(*) FROM subscriptions_standing GROUP BY 1")
    assert set(dict(tiers.fetchall())) == {0, 1, 2, 3}
    kinds = seeded.execute("SELECT DISTINCT kind FROM users_restriction").fetchall()
    assert {kind for (kind,) in kinds} == {"warning", "limit", "suspension"}


def test_seed_puts_back_what_it_took_away(seeded):
    """Indexes, foreign keys and other constraints are those of a migrated database."""
    facts = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " AND tablename !~ '_[0-9]{4}_[0-9]{2}$|_default$'",
    )
    databases.make("coai_bench_migrated")
    with connect("coai_bench_migrated") as migrated:
        for fact in facts:
            ours = {row for row in seeded.execute(fact) if "_20" not in row[0]}
            assert ours == {row for row in migrated.execute(fact) if "_20" not in row[0]}


def test_operate_reuses_the_seed_and_leaves_it_alone(said):
    done = bench("operate", "--users", str(USERS), "--json")
    assert done.returncode == 0, done.stderr
    assert "seed" not in done.stdout + done.stderr
    cases = json.loads(done.stdout.splitlines()[-1])
    beside_sql = [each for each in cases if each["limit"] == 3.0]
    acts = [each["name"].partition(":")[0] for each in beside_sql]
    assert acts == ["credits", "suspend", "tags"]
    assert all(each["peer"] > 0 for each in beside_sql)
    with connect(SEEDED) as seeded:
        assert seeded.execute("SELECT count(*) FROM audit_act").fetchone() == (0,)


def test_unknown_name_says_which_there_are():
    done = bench("nonsense")
    assert done.returncode == 2
    assert "seed" in done.stderr
    assert "Traceback" not in done.stderr


def test_users_that_are_no_number_are_refused():
    done = bench("seed", "--users", "-5")
    assert done.returncode == 2
    assert "at least 1" in done.stderr


@pytest.mark.browser
def test_shots_picture_a_page_in_both_schemes_at_every_width(tmp_path):
    done = bench("shots", "--users", "300", "--only", "not-found", "--into", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    databases.drop("coai_bench_empty")
    pictures = sorted(path.name for path in (tmp_path / "full").iterdir())
    assert pictures == [
        f"not-found-{width}-{scheme}.png"
        for width in (1024, 1440, 390)
        for scheme in ("dark", "light")
    ]
    taken, too_wide, complaints = json.loads(done.stdout.splitlines()[-1])
    assert taken["value"] == 6
    assert too_wide["value"] == complaints["value"] == 0, done.stderr
