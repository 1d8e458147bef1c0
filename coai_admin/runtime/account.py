"""The account of the servers: PostgreSQL refuses to run as root, so root gives it another one."""

import dataclasses
import os
import pwd
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Account:
    """Another account than our own, to which a child process changes."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def for_servers(data: Path) -> Account | None:
    """None for an ordinary user, whose own account serves.

    For root: the owner of ``data`` where it exists, else ``postgres``, else ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    if data.exists():
        entry = pwd.getpwuid(data.stat().st_uid)
    else:
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = known.get("postgres") or known["nobody"]
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def private_folder(path: Path, account: Account | None) -> Path:
    """Make ``path`` a folder that only ``account`` (or we ourselves) may enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(path, account.uid, account.gid)
    return path
