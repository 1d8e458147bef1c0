"""Real Celery workers for measurements and tests of runs and uploads: started, stopped dead,
killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from coai_admin.celery import app

_CHECKOUT = Path(__file__).resolve().parent.parent
TASKS = ("audit.tasks.work_runs", "users.tasks.read_uploads")
_HOLDER = """
SELECT application_name FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = ANY(%s) AND state <> 'idle'
"""


class Worker:
    """One worker, a process group of its own. Its name is what PostgreSQL calls its connections."""

    def __init__(self, number: int, *, database: str, lease: int, queue: str) -> None:
        self.name = f"worker-{number}"
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "COAI_RUN_LEASE": str(lease),
            "PGAPPNAME": self.name,
            "DJANGO_SETTINGS_MODULE": "coai_admin.settings",
        }
        command = [sys.executable, "-m", "celery", "-A", "coai_admin", "worker", "-c", "1"]
        command += ["-Q", queue, "-n", f"{self.name}-{os.getpid()}@%h", "-l", "ERROR"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self.process = subprocess.Popen(
            command,
            cwd=_CHECKOUT,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def send(self, what: signal.Signals) -> None:
        """Send a signal to the worker and its children."""
        os.killpg(self.process.pid, what)

    @property
    def memory(self) -> float:
        """The most that the worker's working child ever took, in MB."""
        here = self.process.pid
        children = Path(f"/proc/{here}/task/{here}/children").read_text().split()
        return max(map(_peak, children), default=0.0)

    def kill(self) -> None:
        """kill -9, children included."""
        self.send(signal.SIGKILL)
        self.process.wait()


class Crew:
    """Workers that look for runs, told to look as often as beat tells them."""

    def __init__(self, size: int, *, lease: int) -> None:
        self.lease = lease
        self.size = size
        self.queue = f"runs-{os.getpid()}-{time.monotonic_ns()}"
        self.made = 0
        self.workers: list[Worker] = []
        self._told = 0.0
        self.complete()

    def complete(self) -> None:
        """Start as many as are missing."""
        while len(self.workers) < self.size:
            self.made += 1
            self.workers.append(
                Worker(self.made, database=database_url(), lease=self.lease, queue=self.queue)
            )

    def tell(self) -> None:
        """What beat does every other second."""
        if time.monotonic() - self._told < 2:
            return
        self._told = time.monotonic()
        for task in TASKS:
            app.send_task(task, queue=self.queue, expires=4)

    def busy(self) -> Worker | None:
        """One that is in the middle of something; None when all wait."""
        names = [worker.name for worker in self.workers]
        with connection.cursor() as cursor:
            cursor.execute(_HOLDER, [names])
            found = {name for (name,) in cursor.fetchall()}
        return next((worker for worker in self.workers if worker.name in found), None)

    def memory(self) -> float:
        """The most that any of them took, in MB."""
        return max(worker.memory for worker in self.workers)

    def kill(self, worker: Worker) -> None:
        """Kill one; the others stay."""
        worker.kill()
        self.workers.remove(worker)

    def dismiss(self) -> None:
        """Kill all."""
        for worker in list(self.workers):
            self.kill(worker)


def _peak(pid: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@contextmanager
def crew(size: int, *, lease: int) -> Iterator[Crew]:
    """Workers for the block."""
    there = Crew(size, lease=lease)
    try:
        yield there
    finally:
        there.dismiss()


def database_url() -> str:
    """The database that Django uses here, as DATABASE_URL names it."""
    here: dict[str, Any] = connection.settings_dict
    base, _mark, options = str(os.environ["DATABASE_URL"]).partition("?")
    path = base.rpartition("/")[0]
    return f"{path}/{here['NAME']}" + (f"?{options}" if options else "")
