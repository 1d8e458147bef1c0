"""The embedded Valkey: cache, throttles and the queue of background work."""

import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coai_admin.runtime import binaries
from coai_admin.runtime.account import Account, private_folder
from coai_admin.runtime.process import CannotRun, Child, spawn

_DURABLE = ("appendonly yes", "save 300 10")
_FAST = ("appendonly no", 'save ""')
_ATTEMPTS = 5  # a free port may be taken by another process before the server has it


class Valkey:
    """One data folder and its server: a free port of 127.0.0.1, a new password for each start."""

    def __init__(
        self,
        *,
        data: Path,
        private: Path,
        log: Path,
        account: Account | None,
        copies: Path,
        durable: bool,
    ) -> None:
        self.data, self.private, self.log, self.account, self.durable = (
            data,
            private,
            log,
            account,
            durable,
        )
        self.program = binaries.valkey(account, copies)
        self.password = secrets.token_hex(16)
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self, started: Callable[[Child], None]) -> None:
        """Start it and wait until it answers.

        ``started`` is told of the process at once, so that it is stopped in any case.
        """
        for _ in range(_ATTEMPTS):
            child = self._spawn()
            started(child)
            if self._answers(child):
                return
        raise CannotRun(f"Valkey does not start:\n{child.last_lines()}")

    def _spawn(self) -> Child:
        self.port = _free_port()
        return spawn(
            "Valkey",
            [self.program, self._configuration()],
            log=self.log,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            cwd=Path("/"),
            account=self.account,
        )

    def _configuration(self) -> Path:
        """A file, since it holds the password, and anybody can read a process's arguments."""
        file = self.private / "valkey.conf"
        file.unlink(missing_ok=True)
        lines = (
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{private_folder(self.data, self.account)}"',
            "maxmemory-policy noeviction",
            "databases 64",
            *(_DURABLE if self.durable else _FAST),
        )
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("\n".join(lines) + "\n")
        if self.account:
            os.chown(file, self.account.uid, self.account.gid)
        return file

    def _answers(self, child: Child) -> bool:
        # A number, since a bare machine cannot resolve "localhost"; and without the client's own
        # retries, which wait longer than a start takes.
        client = redis.Redis(
            host="127.0.0.1", port=self.port, password=self.password, retry=Retry(NoBackoff(), 0)
        )
        while not child.ended:
            try:
                return bool(client.ping())
            except redis.RedisError:
                time.sleep(0.02)
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
