"""How long ``manage.py import_coai`` takes: the first import, the second one that finds nothing to
do, and one after every twentieth balance changed. Wrapping the passwords is apart: it runs in the
background."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.timezone import now

from bench import deployments
from bench.report import Case, case
from users.imports import passwords
from users.imports.progress import Progress
from users.imports.running import Request, import_deployment
from users.imports.sources import Address

DATABASE = "empty"
_SECONDS = 60.0
_PER = 100_000


def run(options: Any) -> list[Case]:
    """Import a made-up deployment of ``options.users`` users."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chatnio.db"
        deployments.write(path, options.users)
        limit = _SECONDS * max(options.users, 1) / _PER
        first, report = _timed(path)
        again, second = _timed(path)
        assert second["people"]["unchanged"] == options.users
        with sqlite3.connect(path) as database:
            database.execute(
                "UPDATE quota SET quota = quota + 1, used = used + 1 WHERE user_id % 20 = 0"
            )
        database.close()
        changed, third = _timed(path)
    began = time.monotonic()
    wrapped = _wrap_for_a_moment()
    rate = wrapped / (time.monotonic() - began)
    people = (
        f"{options.users:,} users, {sum(each['read'] for each in report['tables'].values()):,} rows"
    )
    return [
        case(f"import: {people}", first, "s", limit=limit),
        case("import again, nothing changed", again, "s", limit=limit),
        case(f"import again, {third['people']['changed']:,} changed", changed, "s", limit=limit),
        case("wrap passwords, on all cores but one", rate, "passwords/s", better="higher"),
    ]


def _timed(path: Path) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    request = Request(Address(sqlite=path), ZoneInfo("Asia/Shanghai"))
    report = import_deployment(request, now=now(), progress=Progress())
    return time.monotonic() - began, report


def _wrap_for_a_moment() -> int:
    before = passwords.how_many("coai")["wrapped"]
    with transaction.atomic():  # as the outbox calls it
        passwords.wrap_next(now=now())
    return passwords.how_many("coai")["wrapped"] - before
