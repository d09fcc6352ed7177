"""Where chance comes from: ``SEED=7 pytest tests/faults/…`` replays a run; every failure tells its seed."""

import os
import random
import time

SEED = int(os.environ.get("SEED") or random.randrange(10**6))

# ``PHASE=first`` plays every fault in that phase, whatever the seed says.
PHASE = os.environ.get("PHASE", "")

# ``SECONDS=60`` ends a long run after so long; what was done until then is told.
SECONDS = float(os.environ.get("SECONDS") or "inf")

_BEGAN = time.monotonic()


def chance(name: str) -> random.Random:
    """A source of chance of its own for each name, so that tests do not disturb one another's."""
    return random.Random(f"{SEED} {name}")


def is_time_over() -> bool:
    """Whether the run has taken as long as it may."""
    return time.monotonic() - _BEGAN > SECONDS
