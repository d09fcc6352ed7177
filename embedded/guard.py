"""The supervisor's last will: ends its children if it could not do so itself.

Reads one line for each child on its standard input, ``+PID`` when it started and ``-PID`` when it
ended. The kernel closes that input when the supervisor is gone, however it went.
"""

import os
import signal
import sys
import time
from contextlib import suppress

from embedded.processes import end_session

_SECONDS_TO_STOP = 5.0


def main() -> None:
    """Wait for the supervisor's end; then ask what is left to stop, and insist."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        left.add(pid) if line.startswith("+") else left.discard(pid)
    if not left:
        return
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while time.monotonic() < deadline and any(map(_lives, left)):
        time.sleep(0.05)
    for pid in left:
        end_session(pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
