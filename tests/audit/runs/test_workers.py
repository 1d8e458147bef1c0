"""Runs under real Celery workers: killed, two at once, asleep in the middle of a batch."""

import os
import signal
import time
from decimal import Decimal

import pytest
from django.db import connection

from audit.models import AuditEntry, Receipt, Run
from bench.workers import crew
from billing import reports
from billing.models import Account, Transfer
from tests.audit.runs.prepared import started
from tests.factories import make_users

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system]
LEASE = 2
PATIENCE = 90
_MINE = "SELECT pid, state, xact_start FROM pg_stat_activity WHERE application_name = %s"
_LOCKED = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE a.application_name = %s AND l.relation::regclass::text IN
       ('audit_run', 'users_user', 'billing_account') AND l.mode <> 'AccessShareLock'
"""


def wait_for(condition, workers, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        workers.tell()
        assert time.monotonic() < end, f"still not true after {PATIENCE} s: {what}"
        time.sleep(0.01)
    return found


def cursor_of(run):
    return Run.objects.values_list("cursor", flat=True).get(pk=run.pk)


def is_over(run):
    return Run.objects.values_list("state", flat=True).get(pk=run.pk) == Run.State.DONE


def assert_done_once(run, ids):
    """Every trace of the run is there exactly once for each."""
    assert set(Account.objects.filter(user__in=ids).values_list("balance", flat=True)) == {
        Decimal(5)
    }
    assert Transfer.objects.filter(group_id=run.pk).count() == len(ids)
    assert Receipt.objects.filter(act=run.pk, outcome=1).count() == len(ids)
    assert AuditEntry.objects.filter(act_id=run.pk, action=run.code).count() == len(ids)
    assert list(reports.defects()) == []


def slow(run):
    """Many small batches, so that there is a middle to strike at."""
    Run.objects.filter(pk=run.pk).update(batch=1)


def test_run_whose_worker_is_killed_is_finished_by_another():
    ids = make_users(6_000)
    run = started(ids)
    slow(run)
    with crew(2, lease=LEASE) as workers:
        wait_for(lambda: cursor_of(run) > 0, workers, "the run is under way")
        workers.kill(asleep_in_a_transaction(workers))
        assert not is_over(run)
        token = Run.objects.get(pk=run.pk).token
        wait_for(lambda: is_over(run), workers, "the other finished the run")

    assert Run.objects.get(pk=run.pk).token > token
    assert_done_once(run, ids)


def test_two_workers_share_two_runs_and_finish_each_once():
    first, second = make_users(1_500), make_users(1_500)
    runs = [started(first), started(second)]
    with crew(2, lease=LEASE) as workers:
        for run in runs:
            wait_for(lambda run=run: is_over(run), workers, "both runs are over")

    assert_done_once(runs[0], first)
    assert_done_once(runs[1], second)


def locks_of(worker):
    with connection.cursor() as cursor:
        cursor.execute(_LOCKED, [worker.name])
        return cursor.fetchone()[0]


def asleep_in_a_transaction(workers):
    """Stop the worker that holds the run, in the middle of a batch, while the database waits for
    it and keeps its locks."""
    for _attempt in range(400):
        worker = wait_for(workers.busy, workers, "a worker is at it")
        worker.send(signal.SIGSTOP)
        time.sleep(0.05)  # its last statement ends
        with connection.cursor() as cursor:
            cursor.execute(_MINE, [worker.name])
            waits = any(state == "idle in transaction" for _pid, state, _start in cursor.fetchall())
        if waits and locks_of(worker):
            return worker
        worker.send(signal.SIGCONT)
        time.sleep(0.003)
    raise AssertionError("no worker could be stopped in the middle of a batch")


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3 * LEASE, id="thrice its lease"),
        pytest.param(60, id="a minute", marks=pytest.mark.storm),
    ],
)
def test_worker_that_sleeps_in_a_batch_keeps_no_lock_beyond_its_lease_and_writes_nothing_after(
    seconds,
):
    ids = make_users(8_000)
    run = started(ids)
    slow(run)
    with crew(2, lease=LEASE) as workers:
        wait_for(lambda: cursor_of(run) > 0, workers, "the run is under way")
        sleeper = asleep_in_a_transaction(workers)
        asleep_since = time.monotonic()

        wait_for(lambda: not locks_of(sleeper), workers, "the database took its locks away")
        wait_for(lambda: is_over(run), workers, "the other finished the run")
        while time.monotonic() - asleep_since < seconds:
            workers.tell()
            time.sleep(0.1)
        done = Run.objects.values().get(pk=run.pk)
        sleeper.send(signal.SIGCONT)
        time.sleep(1)
        assert os.waitpid(sleeper.process.pid, os.WNOHANG) == (0, 0)

    assert Run.objects.values().get(pk=run.pk) == done
    assert_done_once(run, ids)
