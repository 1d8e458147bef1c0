"""A run as people know it, under a real worker: preview, act, undo, cancelling; the worker's
memory; and the user table while it runs."""

from __future__ import annotations

import logging
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import Act, Run, Selection
from audit.registry import operations
from audit.runs import approving, drafting, steering
from bench.report import Case, case
from bench.workers import Crew, crew
from users.models import User
from users.roles import Role
from users.services import create_user

_LEASE = 20
_PREVIEW = (15, 100_000)  # at most so many seconds for so many users; for fewer, no less
_RUN = (600, 1_000_000)
_MEMORY = 250  # MB
_CANCEL = 5  # seconds
_LONG_ENOUGH = 10_000  # users, to be cancelled in the middle
_SLOWER = 2
_SAMPLES = 40


def measure(ids: Sequence[int]) -> list[Case]:
    """Give all of them credits by a run, and take it back by another."""
    logging.disable(logging.INFO)
    viewer = Client()
    viewer.force_login(actor())
    normal = _table(viewer, until=lambda: False)
    with crew(1, lease=_LEASE) as workers:
        given, took_preview = _previewed(ids, workers)
        took, meanwhile = _worked(given, workers, viewer)
        undo = drafting.draft_undo(Act.objects.get(pk=given.pk), actor=actor(), now=time_now())
        _wait(undo.pk, Run.State.PREVIEWING, workers)
        took_back, _table_meanwhile = _worked(undo, workers, viewer)
        memory = workers.memory()
        stopped = _cancelled(ids, workers) if len(ids) >= _LONG_ENOUGH else None
    _prove(given.pk, undo.pk, len(ids))
    number = len(ids)
    cases = [
        case(f"preview of {number:,}", took_preview, "s", limit=_limit(_PREVIEW, number)),
        case(f"a run on {number:,}", took, "s", limit=_limit(_RUN, number)),
        case("users per second", number / took, "/s", better="higher"),
        case("its undo", took_back, "s", limit=_limit(_RUN, number)),
        case("memory of the worker", memory, "MB", limit=_MEMORY),
        case("the user table meanwhile, p95", meanwhile, "ms", peer=normal, limit=_SLOWER),
    ]
    if stopped is not None:
        cases.append(case("cancelling, until it stands still", stopped, "s", limit=_CANCEL))
    return cases


def _limit(budget: tuple[int, int], number: int) -> float:
    seconds, users = budget
    return seconds * max(1.0, number / users)


def actor(name: str = "bench") -> User:
    """The super admin of measurements, or another."""
    known = User.objects.filter(username=name).first()
    return known or create_user(name, role=Role.SUPER_ADMIN)


def everybody() -> list[int]:
    """Everybody on whom every act has an effect, in id order: open accounts without a role or a
    restriction."""
    people = User.objects.filter(role=Role.NONE, closed_at=None, restrictions__isnull=True)
    return list(people.order_by("pk").values_list("pk", flat=True))


def confirmed_gift(ids: Sequence[int], workers: Crew) -> Run:
    """A run that gives these users a credit, previewed and confirmed."""
    run, _seconds = _previewed(ids, workers)
    _confirm(run)
    return run


def _confirm(run: Run) -> None:
    """As two people do it: so many users take two."""
    run = steering.confirm(run.pk, actor=actor(), now=time_now(), reason="a measurement")
    if run.state == Run.State.WAITING:
        approving.approve(run.pk, actor=actor("bench.second"), now=time_now())


def _cancelled(ids: Sequence[int], workers: Crew) -> float:
    """Seconds from the word to the moment after which nobody is changed any more."""
    run = confirmed_gift(ids, workers)
    while not Run.objects.values_list("cursor", flat=True).get(pk=run.pk):
        workers.tell()
        time.sleep(0.02)
    began = time.monotonic()
    steering.cancel(run.pk, actor=actor(), now=time_now())
    took = time.monotonic() - began
    cursor = Run.objects.values_list("cursor", flat=True).get(pk=run.pk)
    time.sleep(1)
    assert Run.objects.values_list("cursor", flat=True).get(pk=run.pk) == cursor
    return took


def _previewed(ids: Sequence[int], workers: Crew) -> tuple[Run, float]:
    moment = time_now()
    chosen = Selection.objects.create(
        owner=actor(), ids=list(ids), expires_at=moment + timedelta(days=1)
    )
    began = time.monotonic()
    run = drafting.draft(
        operations()["billing.adjust_credits"],
        chosen,
        {"delta": ["1"], "reason": ["a measurement"]},
        actor=actor(),
        now=moment,
    )
    _wait(run.pk, Run.State.PREVIEWING, workers)
    return run, time.monotonic() - began


def _worked(run: Run, workers: Crew, viewer: Client) -> tuple[float, float]:
    """Seconds that the run took, and the table's p95 meanwhile."""
    began = time.monotonic()
    _confirm(run)

    def over() -> bool:
        workers.tell()
        return _state(run.pk) != Run.State.RUNNING

    meanwhile = _table(viewer, until=over)
    _wait(run.pk, Run.State.RUNNING, workers)
    finished = Run.objects.get(pk=run.pk).finished_at
    assert finished is not None
    return time.monotonic() - began, meanwhile


def _table(viewer: Client, *, until: Callable[[], bool]) -> float:
    """The p95 of the table's first page in milliseconds, five times a second."""
    times = []
    while len(times) < _SAMPLES and not until():
        began = time.perf_counter()
        viewer.get(reverse("users:list"))
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.2)
    return statistics.quantiles(times[1:], n=20, method="inclusive")[-1] if len(times) > 2 else 0.0


def _wait(run: uuid.UUID, state: str, workers: Crew) -> None:
    while _state(run) == state:
        workers.tell()
        time.sleep(0.1)


def _state(run: uuid.UUID) -> str:
    return Run.objects.values_list("state", flat=True).get(pk=run)


def _prove(given: uuid.UUID, undo: uuid.UUID, number: int) -> None:
    for pk in (given, undo):
        run = Run.objects.get(pk=pk)
        print(f"{run.state} {run.changed} {run.refused} {run.failed} {run.why}", file=sys.stderr)
        assert run.state == Run.State.DONE
        assert run.changed == number
