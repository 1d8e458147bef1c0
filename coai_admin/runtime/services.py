"""The console's own processes: web, worker and beat."""

import dataclasses
import http.client
import os
import signal
import socket
import sys
from collections.abc import Mapping

from coai_admin.runtime.home import CHECKOUT, Home
from coai_admin.runtime.process import CannotRun, Child, spawn

_CELERY = ("celery", "-A", "coai_admin")


@dataclasses.dataclass(frozen=True)
class Address:
    """Where the web process listens."""

    host: str
    port: int

    @classmethod
    def from_environment(cls) -> "Address":
        """BIND and PORT. Raises CannotRun where PORT is no port."""
        port = os.environ.get("PORT") or "8000"
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise CannotRun(f"PORT is {port!r}; it must be a number from 1 to 65535.")
        return cls(os.environ.get("BIND") or "127.0.0.1", int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def site(self) -> str:
        """The address for a browser."""
        if named := os.environ.get("SITE_URL"):
            return named.rstrip("/") + "/admin/"
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 — compared, not bound
        return (
            f"http://{anywhere[self.host]}:{self.port}/admin/"
            if self.host in anywhere
            else f"http://{self}/admin/"
        )

    def require_free(self) -> None:
        """Raises CannotRun where another program listens, or BIND is no address of this machine."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise CannotRun(
                    f"{self} cannot be used: {os.strerror(error.errno or 0)}. "
                    "Stop what uses it, or choose another: PORT=8001 bin/start"
                ) from error

    def answers(self) -> bool:
        """Whether the web process gives an answer, of whatever kind."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 — compared, not bound
        connection = http.client.HTTPConnection(host, self.port, timeout=5)
        try:
            connection.request("GET", "/livez")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


def start(place: Home, address: Address, env: Mapping[str, str]) -> list[Child]:
    """Start the three.

    An orphaned worker is killed, since without its broker even its cold shutdown hangs; tasks
    under way are delivered again.
    """
    commands = {
        "web": (
            *(
                "gunicorn",
                "coai_admin.wsgi",
                "-b",
                str(address),
                "--no-control-socket",
                "--preload",
            ),
            *("-k", "gthread", "-w", "2", "--threads", "8", "--graceful-timeout", "5"),
        ),
        "worker": (
            *_CELERY,
            "worker",
            "-c",
            "2",
            "-l",
            "INFO",
            "--without-gossip",
            "--without-mingle",
        ),
        "beat": (*_CELERY, "beat", "-l", "INFO", "--pidfile="),
    }
    return [
        spawn(
            name,
            [sys.executable, "-m", *command],
            log=place.log(name),
            env=env,
            cwd=CHECKOUT,
            orphaned=signal.SIGKILL if name == "worker" else None,
        )
        for name, command in commands.items()
    ]
