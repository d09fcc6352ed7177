"""One process that owns all the others: starts them in order, revives them, ends them all."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Self

from embedded.errors import EmbeddedServerError
from embedded.processes import ChildProcess, Program, python_environment

_LOG = logging.getLogger(__name__)
_ASKS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONG_ENOUGH = 60.0  # after this time alive, a child's earlier deaths are forgotten


@dataclass
class _Watched:
    """A child, and how often it died lately."""

    child: ChildProcess
    known_pid: int = 0
    deaths: int = 0
    started_at: float = 0.0
    revive_at: float | None = None


class Supervisor:
    """Owns one data folder and every process on it; use it as a context manager.

    SIGINT, SIGTERM and SIGHUP become `KeyboardInterrupt` inside the block. When the block ends,
    however it ends, the children are stopped in reverse order; if this process is killed, the
    kernel (Linux) and the guard process see to it. Children belong to the thread that started
    them, so all of this happens in one thread, best the main one.
    """

    def __init__(self, folder: Path, *, report: Callable[[str], None] = _LOG.warning) -> None:
        self.folder = folder.absolute()
        self.logs = self.folder / "logs"
        self._report = report
        self._watched: list[_Watched] = []
        self._lock: IO[str] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._earlier_handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self._take_lock()
        self._catch_signals()
        self._guard = _start_guard()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ignore_signals()
        try:
            self.stop()
        finally:
            self._release()

    def add(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> Program:
        """Start a command of the product; its output goes to ``logs/NAME.log``."""
        log = self.logs / f"{name}.log"
        program = Program(name, command, log=log, environment=environment, ready=ready)
        self.start(program)
        return program

    def launch(self, *children: ChildProcess) -> None:
        """Start these side by side without waiting for them; those that are ours already stay."""
        owned = [watched.child for watched in self._watched]
        fresh = [_Watched(child) for child in children if child not in owned]
        self._watched.extend(fresh)
        for watched in fresh:
            self._launch(watched)

    def start(self, *children: ChildProcess) -> None:
        """Start these side by side and return once all are ready. EmbeddedServerError if not."""
        self.launch(*children)
        for child in children:
            child.wait_until_ready()

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keep everybody alive until Ctrl-C, a polite signal, or ``until`` says so."""
        try:
            while not until():
                self.look_after()
                time.sleep(0.1)
        except KeyboardInterrupt:
            return

    def look_after(self) -> None:
        """One round: notice who died, and start them again after a pause that grows."""
        now = time.monotonic()
        for watched in self._watched:
            if watched.child.pid is not None:
                continue
            if watched.revive_at is None:
                self._notice_death(watched, now)
            elif now >= watched.revive_at:
                self._revive(watched)

    def stop(self) -> None:
        """End all children, the last started first."""
        while self._watched:
            watched = self._watched.pop()
            try:
                watched.child.stop()
            except OSError as error:
                self._report(f"{watched.child.name} could not be stopped: {error}")
            self._tell_guard("-", watched.known_pid)

    def _launch(self, watched: _Watched) -> None:
        watched.revive_at = None
        watched.started_at = time.monotonic()
        watched.child.launch()
        watched.known_pid = watched.child.pid or 0
        self._tell_guard("+", watched.known_pid)

    def _notice_death(self, watched: _Watched, now: float) -> None:
        self._tell_guard("-", watched.known_pid)
        watched.child.stop()  # what it started may outlive it
        if now - watched.started_at > _LONG_ENOUGH:
            watched.deaths = 0
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**watched.deaths)
        watched.deaths += 1
        watched.revive_at = now + pause
        self._report(
            f"{watched.child.name} ended by itself and starts again in {pause:g} s "
            f"(its log is {watched.child.log})."
        )

    def _revive(self, watched: _Watched) -> None:
        try:
            self._launch(watched)
        except (EmbeddedServerError, OSError) as error:
            self._report(f"{watched.child.name} could not be started again: {error}")

    def _take_lock(self) -> None:
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedServerError(
                f"Postroom already runs on {self.folder} (process {owner}). "
                "Stop it first, or choose another folder with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _catch_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _ASKS_TO_STOP:
            self._earlier_handlers[number] = signal.signal(number, _interrupt)

    def _ignore_signals(self) -> None:
        """A second Ctrl-C must not leave half of the children behind."""
        for number in self._earlier_handlers:
            signal.signal(number, signal.SIG_IGN)

    def _release(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        for number, handler in self._earlier_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us
        self._earlier_handlers.clear()

    def _tell_guard(self, sign: str, pid: int) -> None:
        if pid and self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):  # somebody killed it; the kernel still watches
                self._guard.stdin.write(f"{sign}{pid}\n".encode())
                self._guard.stdin.flush()


def _start_guard() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "embedded.guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=python_environment(),
        start_new_session=True,
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
