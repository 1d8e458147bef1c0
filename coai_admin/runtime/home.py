"""COAI_HOME: the data, logs, keys and lock of one running console."""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from coai_admin.runtime.process import CannotRun, Child, began, outlive

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOCKETS = Path("/tmp")  # a socket's path has at most 107 bytes, so it cannot be below the home
_LOG_LIMIT = 10_000_000  # bytes; a longer log is put aside at the next start


class Held(CannotRun):
    """Another command works in this home; ``by`` is what it says of itself."""

    def __init__(self, by: str) -> None:
        super().__init__(f"One is running in this checkout: {by}")
        self.by = by


class Home:
    """A folder with everything that outlives a process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tag = "coai-" + hashlib.sha256(str(path).encode()).hexdigest()[:8]
        self.logs = path / "log"
        self.runtime_env = path / "runtime.env"
        self._children = path / "children"

    def make(self) -> None:
        """Create the folders. As root the servers' account may pass through, but not list."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotRun(
                f"Cannot make {self.path} ({error.strerror}): set COAI_HOME to a folder of yours."
            ) from error

    def log(self, name: str) -> Path:
        file = self.logs / f"{name}.log"
        if file.exists() and file.stat().st_size > _LOG_LIMIT:
            file.replace(file.with_suffix(".log.1"))
        file.touch(mode=0o600)
        return file

    def secret_key(self) -> str:
        """The key of this home, made once, readable by its owner alone."""
        file = self.path / "secret_key"
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_urlsafe(64) + "\n")
        if key := file.read_text().strip():
            return key
        raise CannotRun(
            f"{file} is empty. Remove it, and a new key is made (which ends all sessions)."
        )

    @contextlib.contextmanager
    def locked(self, who: str) -> Iterator[None]:
        """Be the one command that runs the servers here. Raises Held when another one does."""
        self.make()
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise Held(file.read().strip() or "another command, just starting") from None
            file.truncate(0)
            file.write(f"{who} (process {os.getpid()})\n")
            file.flush()
            self._bury_the_dead()
            yield

    def _bury_the_dead(self) -> None:
        """What a killed predecessor left belongs to nobody, since we hold the lock.

        Its last processes are waited for or killed; its addresses and sockets removed.
        """
        if self._children.exists():
            recorded = {
                int(pid): start
                for pid, start in json.loads(self._children.read_text() or "{}").items()
            }
            outlive(recorded, patience=10)
        self.runtime_env.unlink(missing_ok=True)
        for folder in SOCKETS.glob(f"{self.tag}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def record(self, children: list[Child]) -> None:
        """Remember who runs, for a successor after kill -9."""
        pids = {str(child.popen.pid): began(child.popen.pid) for child in children}
        self._write(
            self._children, json.dumps({pid: start for pid, start in pids.items() if start})
        )

    def note(self, name: str) -> str:
        """What ``write_note`` wrote under that name; empty where nothing was."""
        file = self.path / name
        return file.read_text() if file.exists() else ""

    def write_note(self, name: str, text: str) -> None:
        """Keep a short text that only the owner may read."""
        self._write(self.path / name, text)

    def publish(self, urls: dict[str, str]) -> None:
        """Tell bin/manage in another terminal where the servers are."""
        self._write(self.runtime_env, "".join(f"{name}={value}\n" for name, value in urls.items()))

    def published(self) -> dict[str, str]:
        """What ``publish`` wrote; empty where nothing runs."""
        try:
            lines = self.runtime_env.read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines)

    def _write(self, file: Path, text: str) -> None:
        new = file.with_name(file.name + ".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        new.replace(file)

    def unpublish(self) -> None:
        """From now on nobody new takes these servers."""
        self.runtime_env.unlink(missing_ok=True)

    def wait_for_borrowers(self) -> None:
        """Wait until those who have the servers are done. Call after ``unpublish``."""
        with (self.path / "borrowed").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[IO[str]]:
        """Use servers that another command runs: it does not stop them before we are done."""
        with (self.path / "borrowed").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            os.set_inheritable(file.fileno(), True)  # noqa: FBT003 — its signature
            yield file


def default_path() -> Path:
    """.coai in the checkout; as root in /var/lib, since the servers' account cannot enter /root."""
    if os.geteuid() == 0:
        return Path("/var/lib") / ("coai-" + hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8])
    return CHECKOUT / ".coai"


def chosen() -> Home:
    """COAI_HOME, else the default."""
    named = os.environ.get("COAI_HOME")
    return Home(Path(named).expanduser().absolute() if named else default_path())
