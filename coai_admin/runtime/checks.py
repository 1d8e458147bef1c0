"""bin/check: every static check, each with its seconds, to the end."""

import dataclasses
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from coai_admin.runtime import process
from coai_admin.runtime.home import CHECKOUT
from coai_admin.runtime.process import CannotRun
from coai_admin.runtime.servers import throw_away

_BIN = Path(sys.executable).parent
_MANAGE = (sys.executable, str(CHECKOUT / "manage.py"))
_PRODUCTION = {
    "COAI_MODE": "production",
    "ALLOWED_HOSTS": "console.example.com",
    "SITE_URL": "https://console.example.com",
    "EMAIL_URL": "smtp+tls://console:secret@mail.example.com:587",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One command that exits with 0 where all is well."""

    name: str
    command: Sequence[str]
    production: bool = False


CHECKS = (
    Check("ruff", (f"{_BIN}/ruff", "check", "--quiet")),
    Check("format", (f"{_BIN}/ruff", "format", "--check", "--quiet")),
    Check("types", (sys.executable, "-m", "mypy", "--no-error-summary")),
    Check("imports", (f"{_BIN}/lint-imports", "--no-cache")),
    Check("templates", (sys.executable, "-m", "djlint", "templates", "--lint", "--quiet")),
    Check("migrations", (*_MANAGE, "makemigrations", "--check", "--dry-run")),
    Check(
        "migration-linter", (*_MANAGE, "lintmigrations", "--quiet", "ok", "ignore", "--no-cache")
    ),
    Check("deploy", (*_MANAGE, "check", "--deploy", "--fail-level", "WARNING"), production=True),
)


def run(arguments: Sequence[str]) -> int:
    """Run all checks, or those named. 1 where any failed."""
    names = [check.name for check in CHECKS]
    if unknown := set(arguments) - set(names):
        raise CannotRun(
            f"No check is called {', '.join(sorted(unknown))}. There are: {', '.join(names)}."
        )
    chosen = [check for check in CHECKS if not arguments or check.name in arguments]
    with throw_away() as env:
        failed = [check.name for check in chosen if not _passes(check, env)]
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


def _passes(check: Check, env: Mapping[str, str]) -> bool:
    """Run it, say so in one line, and show what it said where it failed."""
    began = time.monotonic()
    if check.production:
        env = {**env, **_PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(64)}
    done = process.run(check.command, env=env, cwd=CHECKOUT)
    verdict = "failed" if done.returncode else "ok"
    print(f"{check.name:18} {verdict:8} {time.monotonic() - began:5.1f} s", flush=True)
    if done.returncode:
        print(f"{done.stdout}{done.stderr}", flush=True)
    return done.returncode == 0
