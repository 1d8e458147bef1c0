"""What bin/ hands over to, inside .venv: python -m coai_admin.runtime COMMAND [ARGUMENTS]."""

import signal
import sys
from types import FrameType
from typing import NoReturn

from coai_admin.runtime import bench, checks, manage, start, suite
from coai_admin.runtime.process import CannotRun

_COMMANDS = {
    "start": start.run,
    "test": suite.run,
    "manage": manage.run,
    "check": checks.run,
    "bench": bench.run,
}


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Every ``finally`` runs, so the servers are stopped in order."""
    sys.exit(128 + number)


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # A shell without job control starts what it puts into the background deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command, *arguments = sys.argv[1:]
    try:
        return _COMMANDS[command](arguments)
    except CannotRun as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
