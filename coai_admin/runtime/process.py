"""Child processes that end when their parent ends, and are stopped in order."""

import contextlib
import ctypes
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coai_admin.runtime.account import Account

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class CannotRun(Exception):
    """The text is the sentence that the person at the terminal reads."""


@dataclasses.dataclass(frozen=True)
class Child:
    """A running process, the signals that end it, and where its output goes."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    log_began: int
    gently: signal.Signals
    at_last: signal.Signals

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def last_lines(self, count: int = 20) -> str:
        """The end of what it wrote, for a message about why it is gone."""
        with self.log.open(errors="replace") as log:
            log.seek(self.log_began)
            return "".join(log.readlines()[-count:]).rstrip()


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    account: Account | None = None,
    gently: signal.Signals = signal.SIGTERM,
    at_last: signal.Signals = signal.SIGKILL,
    orphaned: signal.Signals | None = None,
) -> Child:
    """Start a child in a session of its own, so that a terminal's Ctrl-C reaches the parent alone.

    The kernel sends ``orphaned`` (by default ``gently``) when the parent dies, by kill -9 too. It
    watches the thread that spawned: call from the main thread only. Elsewhere than on Linux a
    killed parent leaves its children.
    """
    with log.open("ab") as output:
        began_at = output.tell()
        popen = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_parent(orphaned or gently),
            **(account.popen_arguments() if account else {}),
        )
    return Child(name, popen, log, began_at, gently, at_last)


def _die_with_parent(orphaned: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(orphaned))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return ask_the_kernel


def stop(children: Iterable[Child], *, patience: float) -> None:
    """End the children together: first gently, after ``patience`` seconds by force."""
    running = [child for child in children if not child.ended]
    for child in running:
        child.popen.send_signal(child.gently)
    end = time.monotonic() + patience
    for child in running:
        try:
            child.popen.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.popen.pid, child.at_last)
            child.popen.wait(10)


def began(pid: int) -> str | None:
    """When the process was started, which tells it from a later one with the same number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def outlive(recorded: Mapping[int, str], *, patience: float) -> None:
    """Wait for a killed parent's children to end; after ``patience`` seconds kill what is left."""

    def alive() -> list[int]:
        return [pid for pid, start in recorded.items() if began(pid) == start]

    end = time.monotonic() + patience
    while (left := alive()) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    while alive():
        time.sleep(0.02)


def foreground(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> int:
    """Run a command at this terminal and give back its exit code. Ctrl-C is its own affair."""
    popen = subprocess.Popen(
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        preexec_fn=_die_with_parent(signal.SIGTERM),
    )
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                code = popen.wait()
                return 128 - code if code < 0 else code
    finally:
        if popen.poll() is None:
            popen.terminate()
            popen.wait()


def run(command: Sequence[str | Path], **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end and give back what it said."""
    return subprocess.run(
        [str(part) for part in command], check=False, text=True, capture_output=True, **arguments
    )
