"""Makes .venv and installs the lock, then hands over to coai_admin.runtime inside it.

Needs the standard library alone: bin/ imports it by its folder, before anything is installed.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
Command = list[str | Path]
LOCKS = ("requirements-dev.lock", "requirements.lock")  # the first contains the second


def enter(command: str, *, lock: str) -> NoReturn:
    """Install ``lock`` if .venv lacks it, and become ``coai_admin.runtime`` with ``command``."""
    if sys.version_info < (3, 11):  # noqa: UP036 — says so instead of failing on newer syntax
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")
    if not _installed(lock):
        with _alone():
            if not _installed(lock):
                _install(lock)
    os.environ["PYTHONPATH"] = str(CHECKOUT)
    os.execv(PYTHON, [str(PYTHON), "-P", "-m", "coai_admin.runtime", command, *sys.argv[1:]])


def _stamp(lock: str) -> Path:
    return VENV / f"{lock}.installed"


def _wanted(lock: str) -> str:
    """What a stamp says: another lock, interpreter or place of the checkout makes .venv stale."""
    facts = f"{VENV} {sys.version}".encode()
    return hashlib.sha256((CHECKOUT / lock).read_bytes() + facts).hexdigest()


def _installed(lock: str) -> bool:
    try:
        return PYTHON.exists() and _stamp(lock).read_text() == _wanted(lock)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two commands in a fresh checkout must not install into the same folder at once."""
    try:
        file = (CHECKOUT / ".venv.lock").open("w")
    except PermissionError:
        sys.exit(f"{CHECKOUT} is not writable for this account, and .venv must be made anew.")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(lock: str) -> None:
    print(f"Installing {lock} into .venv …", flush=True)
    usable = PYTHON.exists() and any(_stamp(name).exists() for name in LOCKS)
    if not usable or _run([PYTHON, "-m", "pip", "--version"], quiet=True):
        _make_venv()
    for name in LOCKS:
        _stamp(name).unlink(missing_ok=True)
    pip: Command = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    locked: Command = ["--only-binary=:all:", "--require-hashes", "-r", CHECKOUT / lock]
    if not _install_with_uv(pip, locked) and _run([*pip, *locked]):
        sys.exit(f"Could not install {lock}: see above.")
    for name in LOCKS[LOCKS.index(lock) :]:
        _stamp(name).write_text(_wanted(name))


def _make_venv() -> None:
    if _run([sys.executable, "-m", "venv", "--clear", VENV]):
        sys.exit("Could not make .venv. On Debian: apt-get install python3-venv")


def _install_with_uv(pip: Command, locked: Command) -> bool:
    """uv is several times faster than pip. Where it cannot be had or fails, pip does the work."""
    if os.environ.get("COAI_NO_UV"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "uv.txt"
        pinned.write_text(_stanza("uv"))
        if _run([*pip, "--require-hashes", "-r", pinned], quiet=True):
            return False
    uv: Command = [VENV / "bin" / "uv", "pip", "install", "-q", "--no-config", "--python", PYTHON]
    if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 — Path.home() may raise
        uv.append("--no-cache")
    return _run([*uv, "--compile-bytecode", *locked], quiet=True) == 0


def _stanza(package: str) -> str:
    """The lines of one package, with its hashes, from the lock of the tools."""
    lines = (CHECKOUT / LOCKS[0]).read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{package}=="))
    taken = [lines[first]]
    while taken[-1].endswith("\\"):
        taken.append(lines[first + len(taken)])
    return "\n".join(taken) + "\n"


def _run(command: Command, *, quiet: bool = False) -> int:
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        [str(part) for part in command], stdout=sink, stderr=sink, check=False
    ).returncode
