"""How much of the storms runs. A storm runs to its end, unless COAI_STORM_SECONDS limits all of
them together, as CI does: then each takes a part that COAI_STORM_SEED chooses, another each day."""

import os
import random
import time

SECONDS = float(os.environ.get("COAI_STORM_SECONDS", "inf"))
SEED = int(os.environ.get("COAI_STORM_SEED", "503"))
WHOLE = float("inf") == SECONDS
_EACH = SECONDS / 6
_began = time.monotonic()


def over():
    """Whether no further storm should begin."""
    return time.monotonic() - _began > SECONDS


def shuffled(cases):
    """The cases, as the seed orders them."""
    return random.Random(SEED).sample(cases, len(cases))


def take(cases):
    """All cases; or within its share of the seconds as many as there is time for, and at least
    one."""
    if WHOLE:
        yield from cases
        return
    began = time.monotonic()
    for case in shuffled(list(cases)):
        yield case
        if time.monotonic() - began > _EACH:
            return
