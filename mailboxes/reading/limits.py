"""How long something may keep the processor busy in this process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType


class ProcessorLimitError(BaseException):
    """It took too long. No `Exception`: what reads odd input forgives those on the way."""


@contextmanager
def processor_limit(seconds: float) -> Iterator[None]:
    """Raise `ProcessorLimitError` inside after so much processor time of this process.

    Regular expressions and Python code are interrupted; a library in C is left to finish. Signals belong to
    the main thread: in another one nothing is limited.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _listen()
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@lru_cache(maxsize=1)
def _listen() -> None:
    """Hear of the timer, once in a process: to ask anew takes longer than to read short headers."""
    signal.signal(signal.SIGVTALRM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    raise ProcessorLimitError
