"""The reader, as if a library in it crashed over messages with a certain text."""

import os
import signal
from typing import Any

from mailboxes.reading import Reading, apart
from mailboxes.reading import read_message as read_well


def read_message(raw: bytes, *given: Any, **more: Any) -> Reading:
    """Die of poison."""
    if os.environ.get("POSTROOM_TEST_POISON", "-").encode() in raw:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_well(raw, *given, **more)


if __name__ == "__main__":
    apart.read_message = read_message
    apart.serve()
