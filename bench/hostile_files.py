"""Hostile files: how soon each is refused, and how much memory reading it took."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from typing import IO, NamedTuple

from bench.hostile import FILES, Hostile
from bench.report import Case, case
from users.uploads.reading import FileRefused, kind_of, look

DATABASE = "empty"
_SECONDS, _MEGABYTES = 1.0, 100
_MEGABYTE = 1024  # of ru_maxrss, which is in kB
# Started by a small process: what is forked from a large one counts as large.
_APART = """import resource, subprocess, sys
subprocess.run([sys.executable, "-S", "-m", "users.uploads.reader", "look", sys.argv[1]],
               stdin=sys.stdin, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


class Cost(NamedTuple):
    """Of refusing a file: seconds from offering it to the sentence, megabytes of the reader."""

    seconds: float
    megabytes: float


def run(options: argparse.Namespace) -> list[Case]:
    """Offer every file, and say how long the slowest took, and the hungriest."""
    costs = {name: _cost(hostile) for name, hostile in FILES.items()}
    for name, cost in sorted(costs.items(), key=lambda item: -item[1].seconds):
        code = FILES[name].code
        print(f"{cost.seconds:6.3f} s {cost.megabytes:6.1f} MB  {code:12} {name}")
    slowest = max(cost.seconds for cost in costs.values())
    hungriest = max(cost.megabytes for cost in costs.values())
    return [
        case("hostile files refused", len(costs), "", better="higher", limit=20),
        case("slowest refusal", slowest, "s", limit=_SECONDS),
        case("most memory of the reading process", hungriest, "MB", limit=_MEGABYTES),
    ]


def _cost(hostile: Hostile) -> Cost:
    with tempfile.TemporaryFile() as file:
        file.write(hostile.make())
        file.flush()
        return Cost(_seconds(file, hostile), _megabytes(file, hostile))


def _seconds(file: IO[bytes], hostile: Hostile) -> float:
    began = time.perf_counter()
    try:
        look(file, kind_of(hostile.file_name))
    except FileRefused as refusal:
        if refusal.code == hostile.code:
            return time.perf_counter() - began
        raise
    raise AssertionError(f"{hostile.code}: this file was read")


def _megabytes(file: IO[bytes], hostile: Hostile) -> float:
    if hostile.code == "name":  # never read
        return 0.0
    file.seek(0)
    command = [sys.executable, "-S", "-c", _APART, kind_of(hostile.file_name)]
    answer = subprocess.run(
        command, check=True, capture_output=False, stdin=file, stdout=subprocess.PIPE
    )
    return int(answer.stdout) / _MEGABYTE
