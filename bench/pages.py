"""How long whole answers take: every page once in each round, so that a moment in which the machine
is busy with something else falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import NamedTuple

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.report import Case, case

_WARM = 3
_PROBE_STEPS = 60_000  # some milliseconds of nothing but Python


class Measured(NamedTuple):
    """Of one page, in milliseconds: 95 % of the answers took no longer; the median, and how much of
    it this process computed (the rest is PostgreSQL and Valkey); and the queries of each."""

    milliseconds: float
    median: float
    computing: float
    queries: int

    def __str__(self) -> str:
        return (
            f"{self.milliseconds:8.1f} ms, median {self.median:6.1f}, of which Python"
            f" {self.computing:5.1f}; {self.queries:2} queries"
        )


def measure(client: Client, pages: Mapping[str, str], samples: int) -> dict[str, Measured]:
    """Ask for these pages (names to addresses) again and again, through every middleware and with
    everything drawn. RuntimeError for one that does not answer 200."""
    queries = {name: _queries(client, address) for name, address in pages.items()}
    walls: dict[str, list[float]] = {name: [] for name in pages}
    computing: dict[str, list[float]] = {name: [] for name in pages}
    for number in range(_WARM + samples):
        for name, address in pages.items():
            began, worked = time.perf_counter(), time.process_time()
            client.get(address)
            if number >= _WARM:
                walls[name].append((time.perf_counter() - began) * 1000)
                computing[name].append((time.process_time() - worked) * 1000)
    return {
        name: Measured(
            _most_of(walls[name]),
            statistics.median(walls[name]),
            statistics.median(computing[name]),
            queries[name],
        )
        for name in pages
    }


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    return len(asked)


def _most_of(times: list[float]) -> float:
    """What 95 % of them do not exceed."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def steadiness(samples: int = 200) -> Case:
    """How quiet the machine is, without a limit: the same piece of work, 95 % beside the fastest.
    Far from 1, the figures above say more about what else it did."""
    times = []
    for _once in range(samples):
        began = time.perf_counter()
        sum(range(_PROBE_STEPS))
        times.append((time.perf_counter() - began) * 1000)
    return case("the same bare work beside its fastest", _most_of(times), "ms", peer=min(times))
