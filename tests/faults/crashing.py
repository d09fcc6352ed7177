"""Kill a forked copy of this process at a named point, as a machine might (reliability §4.3)."""

import os
import signal
import warnings
from collections.abc import Callable

import pytest

from mailboxes.crash_points import VARIABLE
from tenants.database import db

FAILED = 70


def is_killed_at(point: str, work: Callable[[], object], time: int = 1) -> bool:
    """Do the work in a child that dies when it reaches the point; whether it got there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses none of our threads
        child = os.fork()
    if child == 0:
        _work_and_die(point, work, time)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, f"the work failed before {point}"
    return False


def _work_and_die(point: str, work: Callable[[], object], time: int) -> None:
    os.environ[VARIABLE] = f"{point}:{time}"
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


def skip_unreached(reached: bool, point: str) -> None:
    """A point that this work does not pass proves nothing."""
    if not reached:
        pytest.fail(f"the work never reached {point!r}")
