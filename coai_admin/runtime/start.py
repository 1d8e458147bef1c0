"""bin/start: everything under one supervisor, until Ctrl-C."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coai_admin.runtime import admin, database, home, services
from coai_admin.runtime.home import CHECKOUT, Home
from coai_admin.runtime.process import CannotRun, Child, foreground, stop
from coai_admin.runtime.servers import Servers, environment
from coai_admin.runtime.services import Address

_PATIENCE = 15  # seconds for requests and tasks under way
_SLOW = 60  # seconds after which a web process that does not answer is given up

# How one signs in.
_AS_BEFORE = "Sign in as before. A lost password: bin/manage create_super_admin --reset"
_AS_ADMIN = "Sign in as admin, with the password in COAI_ADMIN_PASSWORD."
_AS_SHOWN = "Sign in with one of the accounts above; their passwords are not shown again."
_NOBODY = "Nobody can sign in yet. In another terminal: bin/manage create_super_admin"


def run(arguments: Sequence[str]) -> int:
    """Run the console. 0 after Ctrl-C, 1 when a process ended by itself."""
    options = _options(arguments)
    address = Address.from_environment()
    place = home.chosen()
    with place.locked(address.site):
        address.require_free()
        return Supervisor(place, address).run(empty=options.empty, users=options.users)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "bin/start",
        description="Run database, cache, web, worker and beat. Ctrl-C stops everything.",
    )
    parser.add_argument(
        "--empty", action="store_true", help="no demonstration data in an empty database"
    )
    parser.add_argument(
        "--users",
        type=int,
        default=2000,
        metavar="N",
        help="how many demonstration users (%(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.users < 1:
        parser.error("--users must be 1 or more; for none at all: --empty")
    return options


class Supervisor:
    """The parent of all processes of one home."""

    def __init__(self, place: Home, address: Address) -> None:
        self.place, self.address = place, address
        self.servers = Servers(place, durable=True)
        self.services: list[Child] = []
        self.began = time.monotonic()

    def run(self, *, empty: bool, users: int) -> int:
        try:
            self.servers.start()
            self.place.publish(self.servers.urls)
            env = environment(self.place, self.servers.urls)
            sign_in = self._prepare(env, empty=empty, users=users)
            env.pop("COAI_ADMIN_PASSWORD", None)
            self.services = services.start(self.place, self.address, env)
            self.place.record(self.servers.children + self.services)
            self._await_web()
            self._say(f"Ready after {time.monotonic() - self.began:.1f} s: {self.address.site}")
            self._say(f"{sign_in}\nLogs are in {self.place.logs}. Ctrl-C stops everything.")
            while (ended := self._ended()) is None:
                time.sleep(0.2)
            self._say(self._obituary(ended))
            return 1
        except KeyboardInterrupt:
            self._say("\nStopping …")
            return 0
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C does not cut this short
            self.place.unpublish()
            stop(self.services, patience=_PATIENCE)
            self.servers.stop()

    def _prepare(self, env: dict[str, str], *, empty: bool, users: int) -> str:
        """Make what is missing: tables, demonstration data, the first admin, static files.

        Gives back how one signs in.
        """
        _require_redis(env["REDIS_URL"])
        production = env["COAI_MODE"] == "production"
        with database.connected(env["DATABASE_URL"]) as connection:
            if not database.is_migrated(connection):
                self._manage(
                    env, "migrate", "--noinput", "-v0", saying="Bringing the tables up to date …"
                )
                database.mark_migrated(connection)
            anybody = database.has_users(connection)
        sign_in = _AS_BEFORE if anybody else _NOBODY
        if password := env.get("COAI_ADMIN_PASSWORD"):
            # Before the demonstration, which then makes no super admin of its own.
            self._make_admin(env, password, anybody=anybody)
            sign_in = _AS_ADMIN
        if not (anybody or empty or production):
            saying = f"Making {users:,} demonstration users …"
            self._manage(env, "demo", "--users", str(users), saying=saying)
            sign_in = f"{_AS_ADMIN}\n{_AS_SHOWN}" if password else _AS_SHOWN
        if production:
            self._manage(
                env, "collectstatic", "--noinput", "-v0", saying="Collecting the static files …"
            )
        return sign_in

    def _make_admin(self, env: dict[str, str], password: str, *, anybody: bool) -> None:
        if anybody and admin.has_password(self.place, password):
            return
        # Where there are people, one of them may be super admin; without --reset that is refused.
        reset = ("--reset",) if anybody else ()
        self._manage(env, "create_super_admin", "--username", "admin", *reset)
        admin.mark(self.place, password)

    def _manage(self, env: dict[str, str], *command: str, saying: str = "") -> None:
        if saying:
            self._say(saying)
        code = foreground([sys.executable, CHECKOUT / "manage.py", *command], env=env, cwd=CHECKOUT)
        if code == 128 + signal.SIGINT:
            raise KeyboardInterrupt
        if code:
            raise CannotRun(f"manage.py {command[0]} failed: see above.")

    def _await_web(self) -> None:
        end = time.monotonic() + _SLOW
        while not self.address.answers():
            if ended := self._ended():
                raise CannotRun(self._obituary(ended))
            if time.monotonic() > end:
                raise CannotRun(f"web does not answer: see {self.place.logs / 'web.log'}")
            time.sleep(0.05)

    def _ended(self) -> Child | None:
        return next((child for child in self.servers.children + self.services if child.ended), None)

    def _obituary(self, child: Child) -> str:
        code = child.popen.returncode
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        said = child.last_lines()
        return f"{said}\n{child.name} ended {how}: stopping everything. Its log is {child.log}"

    def _say(self, text: str) -> None:
        print(text, flush=True)


def _require_redis(url: str) -> None:
    try:
        redis.Redis.from_url(url, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)).ping()
    except (redis.RedisError, ValueError) as error:
        raise CannotRun(f"REDIS_URL leads nowhere: {error}") from error
