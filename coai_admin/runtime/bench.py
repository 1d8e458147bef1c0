"""bin/bench: the measurements of bench/."""

import sys
from collections.abc import Sequence

from coai_admin.runtime.home import CHECKOUT
from coai_admin.runtime.manage import with_servers
from coai_admin.runtime.process import foreground
from coai_admin.runtime.servers import throw_away


def run(arguments: Sequence[str]) -> int:
    """Run one measurement on servers of its own, set up as bin/start does.

    ``--here`` takes the servers and the data of this checkout instead.
    """
    command = [sys.executable, "-m", "bench", *(word for word in arguments if word != "--here")]
    if "--here" in arguments:
        return with_servers(command, name="bench")
    with throw_away(durable=True) as env:
        return foreground(command, env=env, cwd=CHECKOUT)
