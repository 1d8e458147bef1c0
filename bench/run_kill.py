"""Runs whose workers are killed, again and again: what was lost, what was done twice, and how long
it took until somebody went on."""

from __future__ import annotations

import argparse
import random
import sys
import time
import uuid

from django.db import connection

from audit.models import Run
from bench import runs
from bench.report import Case, case
from bench.workers import Crew, crew
from billing import reports

DATABASE = "copy"
_SHORT, _REAL = 3, 20  # seconds of lease
_AT_REAL = 3  # kills
_WORST = 45  # seconds

# For each run and target there must be one of each.
_COUNT = """
SELECT count(*) FILTER (WHERE coalesce(done, 0) < 1), count(*) FILTER (WHERE done > 1)
  FROM (SELECT r.id AS run, unnest(c.ids) AS target
          FROM audit_run r JOIN audit_runchunk c ON c.run_id = r.id
         WHERE r.started_at IS NOT NULL) asked
  LEFT JOIN ({found}) found USING (run, target)
"""
_FOUND = {
    "transfers": """SELECT t.group_id AS run, a.user_id AS target, count(*) AS done
        FROM billing_transfer t JOIN billing_account a ON a.id = t.account_id
       WHERE t.group_id IS NOT NULL GROUP BY 1, 2""",
    "receipts": """SELECT act_id AS run, target_id AS target, count(*) AS done
        FROM audit_receipt WHERE outcome = 1 GROUP BY 1, 2""",
    "audit entries": """SELECT act_id AS run, target_id AS target, count(*) AS done
        FROM audit_entry WHERE action = 'billing.adjust_credits' GROUP BY 1, 2""",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this measurement."""
    parser.add_argument("--kills", type=int, default=100, help="at a lease of 3 s (%(default)s)")
    parser.add_argument("--seed", type=int, default=503, help="of the moments (%(default)s)")


def run(options: argparse.Namespace) -> list[Case]:
    """Kill workers at random moments of runs on ``options.users`` users, and count what they left
    behind."""
    moments = random.Random(options.seed)  # noqa: S311 (moments, not secrets)
    print(f"seed {options.seed}", flush=True)
    short = _kill(options.kills, lease=_SHORT, moments=moments)
    real = _kill(min(_AT_REAL, options.kills), lease=_REAL, moments=moments)
    cases = [
        case(f"kills at a lease of {_SHORT} s", len(short), ""),
        case("worst resume", max(short), "s", limit=_WORST),
        case("median resume", sorted(short)[len(short) // 2], "s"),
        case(f"kills at the real lease of {_REAL} s", len(real), ""),
        case("worst resume at the real lease", max(real), "s", limit=_WORST),
        case("runs", Run.objects.filter(state=Run.State.DONE).count(), ""),
    ]
    for what, found in _FOUND.items():
        with connection.cursor() as cursor:
            cursor.execute(_COUNT.format(found=found))
            lost, twice = cursor.fetchone()
        cases += [
            case(f"{what} lost", lost, "", limit=0),
            case(f"{what} twice", twice, "", limit=0),
        ]
    return [*cases, case("defects", sum(1 for _row in reports.defects()), "", limit=0)]


def _kill(kills: int, *, lease: int, moments: random.Random) -> list[float]:
    """So many kills, over as many runs as it takes; seconds until each run went on."""
    resumes: list[float] = []
    with crew(2, lease=lease) as workers:
        while len(resumes) < kills:
            resumes += _one_run(workers, kills - len(resumes), moments)
            print(f"{len(resumes)} kills, worst {max(resumes):.1f} s", file=sys.stderr, flush=True)
    return resumes


def _one_run(workers: Crew, kills: int, moments: random.Random) -> list[float]:
    """One run to its end, killing whoever works on it at random moments."""
    current = runs.confirmed_gift(runs.everybody(), workers).pk
    resumes: list[float] = []
    strike = time.monotonic() + moments.uniform(0.2, 2.5)
    while _state(current)[0] == Run.State.RUNNING:
        workers.tell()
        if len(resumes) < kills and time.monotonic() > strike and (victim := workers.busy()):
            workers.kill(victim)
            resumes.append(_until_it_goes_on(current, workers))
            strike = time.monotonic() + moments.uniform(0.2, 2.5)
        time.sleep(0.02)
    return resumes


def _until_it_goes_on(current: uuid.UUID, workers: Crew) -> float:
    began = time.monotonic()
    _state_then, cursor = _state(current)
    workers.complete()
    while _state(current) == (Run.State.RUNNING, cursor):
        workers.tell()
        time.sleep(0.02)
        if time.monotonic() - began > 10 * _WORST:
            raise TimeoutError(f"nobody took up run {current} for {10 * _WORST} s")
    return time.monotonic() - began


def _state(current: uuid.UUID) -> tuple[str, int]:
    return Run.objects.values_list("state", "cursor").get(pk=current)
