"""Kill a forked copy of this process at a named point, as a machine might (reliability §4.3)."""

import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from mailboxes.crash_points import VARIABLE
from tenants.database import db

FAILED = 70


@dataclass(frozen=True)
class Child:
    """A copy of this process that does one piece of work and ends."""

    pid: int

    def kill(self) -> None:
        """End it without any goodbye."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code, or less than zero: the signal that has ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start_child(work: Callable[[], object], crash_at: str = "") -> Child:
    """Begin the work in a child; with ``crash_at`` (``name:n``) it dies at that crash point.

    A fork has everything loaded: a fresh interpreter spends seconds on that, and dies no other death.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses none of our threads
        child = os.fork()
    if child == 0:
        _work_and_end(work, crash_at)
    return Child(child)


def is_killed_at(point: str, work: Callable[[], object], time: int = 1) -> bool:
    """Do the work in a child that dies when it reaches the point; whether it got there."""
    code = start_child(work, f"{point}:{time}").wait()
    if code < 0:
        assert code == -signal.SIGKILL
        return True
    assert code == 0, f"the work failed before {point}"
    return False


def _work_and_end(work: Callable[[], object], crash_at: str) -> None:
    if crash_at:
        os.environ[VARIABLE] = crash_at
    code = FAILED
    try:
        for engine in db.engines.values():
            engine.dispose(close=False)  # the parent's connections stay the parent's
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001  # a child of pytest must not go on as pytest
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)
