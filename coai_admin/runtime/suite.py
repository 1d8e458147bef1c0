"""bin/test: pytest on throw-away servers."""

import sys
from collections.abc import Sequence
from pathlib import Path

from coai_admin.runtime.home import CHECKOUT
from coai_admin.runtime.process import foreground
from coai_admin.runtime.servers import throw_away


def run(arguments: Sequence[str]) -> int:
    """All tests, two at a time; or what the arguments, which are pytest's, say."""
    chosen = [_from_anywhere(argument) for argument in arguments] or ["-q", "-n", "2"]
    with throw_away() as env:
        return foreground([sys.executable, "-m", "pytest", *chosen], env=env, cwd=CHECKOUT)


def _from_anywhere(argument: str) -> str:
    """A path that was written from where the person stands; pytest runs in the checkout."""
    file, separator, test = argument.partition("::")
    path = Path.cwd() / file
    return (
        f"{path}{separator}{test}"
        if file and not file.startswith("-") and path.exists()
        else argument
    )
