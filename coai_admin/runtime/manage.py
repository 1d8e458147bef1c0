"""bin/manage: manage.py against the servers of this checkout."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from coai_admin.runtime import database, home
from coai_admin.runtime.home import CHECKOUT, Held, Home
from coai_admin.runtime.process import CannotRun, foreground
from coai_admin.runtime.servers import Servers, environment


def run(arguments: Sequence[str]) -> int:
    """Run one command of manage.py where the person stands, with servers just for it if need be."""
    return with_servers(
        [sys.executable, str(CHECKOUT / "manage.py"), *arguments], name=" ".join(arguments[:1])
    )


def with_servers(command: Sequence[str], *, name: str) -> int:
    """Run ``command`` with the servers of this checkout, stopped afterwards if we started them."""
    place = home.chosen()
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        place.make()
        os.execve(command[0], [*command], environment(place, {}))
    try:
        with place.locked(f"bin/manage {name}".strip()):
            return _with_our_own(command, place)
    except Held as held:
        return _with_those_of_another(command, place, held)


def _with_our_own(command: Sequence[str], place: Home) -> int:
    servers = Servers(place, durable=True)
    try:
        servers.start()
        env = environment(place, servers.urls)
        if not os.environ.get("DATABASE_URL"):
            _make_tables(env)
        place.publish(servers.urls)
        code = foreground(command, env=env, cwd=Path.cwd())
        place.unpublish()
        place.wait_for_borrowers()
        return code
    finally:
        place.unpublish()
        servers.stop()


def _make_tables(env: dict[str, str]) -> None:
    """In a fresh checkout the first command may be one that reads: it shall find the tables."""
    with database.connected(env["DATABASE_URL"]) as connection:
        if database.has_tables(connection):
            return
        print("Making the tables …", file=sys.stderr, flush=True)
        migrate = [sys.executable, str(CHECKOUT / "manage.py"), "migrate", "--noinput", "-v0"]
        if foreground(migrate, env=env, cwd=CHECKOUT) != 0:
            raise CannotRun("The tables could not be made; the lines above say why.")
        database.mark_migrated(connection)


def _with_those_of_another(command: Sequence[str], place: Home, held: Held) -> int:
    with place.borrowed():
        urls = place.published()
        if not urls:
            raise CannotRun(
                f"{held.by} is still starting, or stopping: try again in a moment."
            ) from held
        env = environment(
            place, {**urls, **{name: os.environ[name] for name in urls if os.environ.get(name)}}
        )
        os.execve(command[0], [*command], env)
