"""Looking at processes and waiting for them, for tests that start and kill some."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from embedded.processes import command_line


def living_processes(word: str) -> list[int]:
    """The processes with this word on their command line; a dead one that waits for its parent has none."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if word.encode() in command_line(pid)]


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(place.name))
    return found


def wait_for(is_true: Callable[[], object], seconds: float = 20, *, every: float = 0.01) -> None:
    """Return as soon as it holds; fail the test if it never does. ``every``: longer where a look is dear."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"{is_true} did not become true within {seconds} seconds")
        time.sleep(every)
