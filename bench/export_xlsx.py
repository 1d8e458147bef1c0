"""The Excel file of users, all columns, as a download: how fast, and how little memory it takes;
beside tablib, which import-export writes with."""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import time

import tablib
from django.http import QueryDict
from django.utils.timezone import now as time_now

from bench.report import Case, case
from coai_admin.console import exports
from coai_admin.console.workbooks import workbook
from users.models import User
from users.roles import Role
from users.services import create_user
from users.table import USERS

_ROUNDS = 3
_PEER_ROWS = 20_000
_MEGABYTE = 1024  # of ru_maxrss, which is in kB
_APART = """import json, sys, django
django.setup()
from bench.export_xlsx import measure
print(json.dumps(measure(sys.argv[1])))"""


def run(options: argparse.Namespace) -> list[Case]:
    """Measure the file of all users, and the peer's on a part of the rows; each in a process of its
    own, so that the memory of one is not that of the other."""
    logging.disable(logging.INFO)
    ours, peer = _apart("ours"), _apart("peer")
    rows, cells = ours["rows"], ours["rows"] * ours["columns"]
    peers = peer["rows"] * peer["columns"] / peer["seconds"]
    return [
        case(f"Excel file of {rows:,} users, {ours['columns']} columns", ours["seconds"], "s"),
        case("cells per second", cells / ours["seconds"], "/s", better="higher", limit=120_000),
        case(
            "cells per second beside tablib",
            cells / ours["seconds"],
            "/s",
            better="higher",
            peer=peers,
        ),
        case("memory of the process", ours["megabytes"], "MB", limit=150),
        case(f"memory of tablib's, {peer['rows']:,} users", peer["megabytes"], "MB"),
    ]


def _apart(which: str) -> dict[str, float]:
    command = [sys.executable, "-c", _APART, which]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measure(which: str) -> dict[str, float]:
    """The best time of some rounds, and the most memory that this process had."""
    person = User.objects.filter(username="bench").first() or create_user(
        "bench", role=Role.SUPER_ADMIN
    )
    reading = USERS.read(QueryDict(), viewer=person, now=time_now())
    columns = exports.fields(reading, masked=False)
    best, rows = float("inf"), 0
    for _round in range(_ROUNDS if which == "ours" else 1):
        began = time.perf_counter()
        rows = _ours(reading, columns) if which == "ours" else _peer(reading, columns)
        best = min(best, time.perf_counter() - began)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
    return {"seconds": best, "rows": rows, "columns": len(columns), "megabytes": megabytes}


def _ours(reading: object, columns: object) -> int:
    sent = exports.Sent()
    for _block in workbook(reading.ordered(), columns, title="Users", sent=sent):
        pass
    return sent.rows


def _peer(reading: object, columns: object) -> int:
    """The same values, untyped moments aside (tablib writes none with a zone)."""
    values = {f"_{column.name}": exports._typed(column, safe=False) for column in columns}
    rows = reading.ordered().annotate(**values).values_list(*values)[:_PEER_ROWS]
    data = tablib.Dataset(headers=[column.header for column in columns])
    for row in rows.iterator():
        data.append(tuple(row))
    data.export("xlsx")
    return len(data)
