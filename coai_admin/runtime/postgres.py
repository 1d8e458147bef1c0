"""The embedded PostgreSQL: made, started, asked whether it is there."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from coai_admin.runtime import binaries
from coai_admin.runtime.account import Account, private_folder
from coai_admin.runtime.process import CannotRun, Child, run, spawn

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
# Seconds: a killed server's backends may hold its memory for a moment, and recovery takes time.
_PATIENCE = 30
_ALWAYS = {"listen_addresses": "", "timezone": "UTC", "max_connections": "100"}
_DURABLE = {"shared_buffers": "256MB", "random_page_cost": "1.1", "max_wal_size": "2GB"}
_FAST = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")


class Postgres:
    """One data folder and its server. Not ``durable``: faster, and lost in a crash; for tests."""

    def __init__(
        self,
        *,
        data: Path,
        sockets: Path,
        log: Path,
        account: Account | None,
        copies: Path,
        durable: bool,
    ) -> None:
        self.data, self.sockets, self.log, self.account, self.durable = (
            data,
            sockets,
            log,
            account,
            durable,
        )
        self.folder = binaries.postgres(account, copies)

    @property
    def url(self) -> str:
        return f"postgresql://coai@/coai?host={self.sockets}"

    def start(self, started: Callable[[Child], None]) -> None:
        """Start it and wait until it answers.

        ``started`` is told of the process at once, so that it is stopped in any case.
        """
        self._make()
        self._refuse_another_version()
        self._end_leftover()
        child = self._spawn()
        started(child)
        end = time.monotonic() + _PATIENCE
        while (connection := self._answers()) is None:
            if child.ended:
                if time.monotonic() > end:
                    raise CannotRun(f"PostgreSQL does not start:\n{child.last_lines()}")
                time.sleep(0.5)
                child = self._spawn()
                started(child)
            time.sleep(0.02)
        with connection:
            self._make_database(connection)

    def _outside(self) -> dict[str, Any]:
        """Arguments of the short commands: their account, and an environment that is not ours."""
        account = self.account.popen_arguments() if self.account else {}
        return {"env": _ENVIRONMENT, "cwd": "/", **account}

    def _make(self) -> None:
        """initdb into a folder beside, then renamed: cut short, it leaves nothing half made."""
        if (self.data / "PG_VERSION").exists():
            return
        new = self.data.with_name(self.data.name + ".new")
        for folder in (self.data, new):
            shutil.rmtree(folder, ignore_errors=True)
        made = run(
            [
                self.folder / "initdb",
                *("-D", private_folder(new, self.account), "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
                *(() if self.durable else ("--no-sync",)),
            ],
            **self._outside(),
        )
        if made.returncode:
            who = f" as {self.account.name}" if self.account else ""
            raise CannotRun(
                f"Cannot make a database in {self.data.parent}{who}:\n{made.stderr.strip()}"
            )
        new.rename(self.data)

    def _refuse_another_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        server = run([self.folder / "postgres", "-V"], **self._outside()).stdout.split()[2]
        if server.split(".")[0] != made_by:
            raise CannotRun(
                f"{self.data} was made by PostgreSQL {made_by}, and the server is {server}. "
                f"Dump it with pg_dump of {made_by} and restore it, or move the folder away."
            )

    def _end_leftover(self) -> None:
        """Stop a server that outlived a killed parent.

        A stale pid file may name a foreign process by now, for which PostgreSQL would not start.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = pid_file.read_text().split()[0]
        except (FileNotFoundError, IndexError):
            return
        with contextlib.suppress(OSError):
            if str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                run(
                    [self.folder / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop"],
                    **self._outside(),
                )
        pid_file.unlink(missing_ok=True)

    def _spawn(self) -> Child:
        options = {
            **_ALWAYS,
            **(_DURABLE if self.durable else _FAST),
            "unix_socket_directories": str(self.sockets),
        }
        return spawn(
            "PostgreSQL",
            [
                *(self.folder / "postgres", "-D", self.data),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            env=_ENVIRONMENT,
            cwd=Path("/"),
            account=self.account,
            gently=signal.SIGINT,  # "fast": TERM would wait for its clients
            at_last=signal.SIGQUIT,
        )

    def _answers(self) -> psycopg.Connection | None:
        """A connection. The pid file is no proof: a dead server's says "ready" too."""
        try:
            return psycopg.connect(
                f"host={self.sockets} user=postgres dbname=postgres",
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError:
            return None

    def _make_database(self, connection: psycopg.Connection) -> None:
        """The console's role is no superuser, as in production; it may create test databases."""
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = 'coai'").rowcount:
            connection.execute("CREATE ROLE coai LOGIN CREATEDB")
        if not connection.execute("SELECT FROM pg_database WHERE datname = 'coai'").rowcount:
            connection.execute("CREATE DATABASE coai OWNER coai")
