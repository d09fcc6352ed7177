"""Named places at which a test may kill the process, to prove that nothing is lost or doubled there.

``CRASH_AT=name:n`` kills it with SIGKILL when the place is reached for the n-th time (reliability §4.3).
"""

import os
import signal
from collections import Counter

VARIABLE = "CRASH_AT"

_reached: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    wanted_name, _, count = wanted.partition(":")
    _reached[name] += 1
    if wanted_name == name and _reached[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
