"""A console started by bin/start for a test, by root or an ordinary user, with its own home."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

CHECKOUT = Path(__file__).resolve().parent.parent.parent
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".coai", "__pycache__", ".*_cache", ".hypothesis"
)
PATIENCE = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def copy_of_checkout(folder, owner):
    """The checkout as a clone would have it, owned by the account that is to run it."""
    shutil.copytree(CHECKOUT, folder, ignore=NOT_COPIED)
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, owner)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def descendants(pid):
    """Every process below ``pid``, by the kernel's own list."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    below = [int(child) for child in children]
    return below + [further for child in below for further in descendants(child)]


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"still not true after {patience} s: {what}"
        time.sleep(0.05)


@dataclasses.dataclass
class Console:
    checkout: Path
    env: dict
    home: Path
    account: str | None
    port: int
    process: subprocess.Popen | None = None

    @property
    def output(self):
        return (self.home.parent / "output").read_text()

    def command(self, *words, **env):
        """Run one of bin/ to its end, from a foreign working directory."""
        return subprocess.run(
            [self.checkout / "bin" / words[0], *words[1:]],
            env={**self.env, **env},
            user=self.account,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def ensure_running(self):
        """Start it, unless it runs already; afterwards its page answers."""
        if self.process:
            return self
        with (self.home.parent / "output").open("w") as output:
            self.process = subprocess.Popen(
                [self.checkout / "bin" / "start", "--empty"],
                env=self.env,
                user=self.account,
                cwd="/",
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(
            lambda: "Ctrl-C stops everything" in self.output or self.process.poll() is not None,
            "started",
        )
        assert self.process.poll() is None, self.output
        return self

    def answer(self):
        """The status of the page that everybody may see, or None where nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=10) as page:
                return page.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def connect(self):
        """A connection to its database, by the address that bin/manage reads."""
        urls = dict(
            line.split("=", 1) for line in (self.home / "runtime.env").read_text().splitlines()
        )
        return psycopg.connect(urls["DATABASE_URL"], autocommit=True)

    def postmaster(self):
        return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])

    def kill(self, pid, number=signal.SIGKILL):
        """Send the signal and give back the processes that must be gone soon, and the exit code."""
        family = [self.process.pid, *descendants(self.process.pid)]
        os.kill(pid, number)
        code = self.process.wait(PATIENCE)
        self.process = None
        return family, code
