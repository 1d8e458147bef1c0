"""PostgreSQL and Valkey together: those named in the environment, else embedded ones."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from coai_admin.runtime import account, home
from coai_admin.runtime.home import Home
from coai_admin.runtime.postgres import Postgres
from coai_admin.runtime.process import CannotRun, Child, stop
from coai_admin.runtime.valkey import Valkey

_PATIENCE = 30  # seconds for a server to write down what it has


class Servers:
    """The servers of one home; embedded where the environment names none. Needs its lock."""

    def __init__(self, place: Home, *, durable: bool) -> None:
        self.place, self.durable = place, durable
        self.children: list[Child] = []
        self.urls = {
            name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)
        }

    def start(self) -> None:
        """Start what is missing; afterwards ``urls`` names both servers."""
        if len(self.urls) == 2:
            return
        data = self.place.path / "postgres"
        lent = account.for_servers(data)
        private = Path(tempfile.mkdtemp(prefix=f"{self.place.tag}-", dir=home.SOCKETS))
        self._private = account.private_folder(private, lent)
        copies = home.default_path() / "programs"
        if "DATABASE_URL" not in self.urls:
            postgres = Postgres(
                data=data,
                sockets=private,
                log=self.place.log("postgres"),
                account=lent,
                copies=copies,
                durable=self.durable,
            )
            postgres.start(self._started)
            self.urls["DATABASE_URL"] = postgres.url
        if "REDIS_URL" not in self.urls:
            valkey = Valkey(
                data=self.place.path / "valkey",
                private=private,
                log=self.place.log("valkey"),
                account=lent,
                copies=copies,
                durable=self.durable,
            )
            valkey.start(self._started)
            self.urls["REDIS_URL"] = valkey.url

    def _started(self, child: Child) -> None:
        self.children = [known for known in self.children if not known.ended] + [child]
        self.place.record(self.children)

    def stop(self) -> None:
        """Valkey, then PostgreSQL."""
        for child in reversed(self.children):
            stop([child], patience=_PATIENCE)
        if self.children:
            shutil.rmtree(self._private, ignore_errors=True)


@contextlib.contextmanager
def throw_away(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """An environment with servers of its own, which are gone afterwards with all they held."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix="coai-throw-away-") as folder:
        place = Home(Path(folder))
        servers = Servers(place, durable=durable)
        with place.locked("throw-away servers"):
            try:
                servers.start()
                yield environment(place, servers.urls)
            finally:
                servers.stop()


def _sweep() -> None:
    """Remove what a killed run left a minute ago or earlier: nobody holds its lock."""
    for lock in Path(tempfile.gettempdir()).glob("coai-throw-away-*/lock"):
        with contextlib.suppress(CannotRun, OSError):
            facts = lock.stat()
            if facts.st_uid == os.geteuid() and facts.st_mtime < time.time() - 60:
                with Home(lock.parent).locked("sweeping"):
                    shutil.rmtree(lock.parent, ignore_errors=True)


def environment(place: Home, urls: dict[str, str]) -> dict[str, str]:
    """What manage.py and the services get: the servers, the home, and in development a key."""
    env = {**os.environ, **urls, "COAI_HOME": str(place.path), "PYTHONUNBUFFERED": "1"}
    env.setdefault("COAI_MODE", "development")
    if env["COAI_MODE"] == "development" and not env.get("SECRET_KEY"):
        env["SECRET_KEY"] = place.secret_key()
    return env
