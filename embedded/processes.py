"""Child processes that never outlive their parent, and stop when asked."""

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import SystemRandom
from typing import Self, TypedDict

from embedded.errors import EmbeddedServerError

PROJECT = Path(__file__).resolve().parent.parent

# Below those that Linux and macOS give to a program that connects to another one.
NEVER_OUTGOING = range(20_000, 32_000)
_given: set[int] = set()  # whoever asked for a port may not listen on it yet

_PR_SET_PDEATHSIG = 1
_LONGEST_LOG = 16 * 1024 * 1024
_LONGEST_SOCKET_PATH = 103  # sun_path is 108 bytes on Linux and 104 on macOS
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dying_with_parent(signal_number: int) -> Callable[[], None]:
    """What a child runs before its program, so that the kernel sends it this signal when we end.

    Linux only (elsewhere it does nothing). The kernel watches the *thread* that started the
    child, so children are started from a thread that lives as long as they shall.
    """
    parent = os.getpid()

    def in_child() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # it ended between the fork and this line
            os._exit(1)

    return in_child


class Identity(TypedDict):
    """The arguments by which `subprocess` changes the user."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


OUR_IDENTITY: Identity = {"user": None, "group": None, "extra_groups": None}


class ChildProcess(ABC):
    """A program that we start, watch and end, with everything it started itself.

    ``start`` may be called again after `stop`, `kill` or a crash.
    """

    stop_signals: tuple[int, ...] = (signal.SIGTERM,)
    seconds_to_start = 60.0
    seconds_to_stop = 10.0

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @abstractmethod
    def launch(self) -> None:
        """Start it without waiting, unless it runs."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it does its work by now."""

    def start(self) -> None:
        """Start it and return once it is ready; nothing is left behind if that fails."""
        try:
            self.launch()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self) -> None:
        """Return once it is ready; EmbeddedServerError with the end of its log if it never is."""
        deadline = time.monotonic() + self.seconds_to_start
        while not self.is_ready():
            if self.pid is None:
                raise EmbeddedServerError(f"{self.name} ended while starting. {self._log_tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"{self.name} was not ready after {self.seconds_to_start:.0f} seconds. {self._log_tail()}"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, politely first, and then whatever it started and left."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (*self.stop_signals, signal.SIGKILL):
            if process.poll() is not None:
                break
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.seconds_to_stop)
        end_session(process.pid)

    def kill(self) -> None:
        """End it without any goodbye, as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            end_session(process.pid)
            process.wait()

    def _spawn(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        identity: Identity | None = None,
    ) -> None:
        """Start the program in a session of its own, its output in our log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        _shorten(self.log)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [os.fspath(word) for word in command],
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env=environment,
                start_new_session=True,
                preexec_fn=dying_with_parent(self.stop_signals[0]),
                **(identity or OUR_IDENTITY),
            )

    def _log_tail(self) -> str:
        """The last lines of the log and where the rest is, for an error sentence."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return f"Its log is {self.log}."
        tail = "\n".join(text.splitlines()[-5:])
        return f"Its log is {self.log}:\n{tail}"


class Program(ChildProcess):
    """Any command, ready at once or when ``ready`` says so."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(name, log)
        self.command = list(command)
        self._environment = python_environment() | dict(environment or {})
        self._ready = ready

    def launch(self) -> None:
        if self.pid is None:
            self._spawn(self.command, environment=self._environment)

    def is_ready(self) -> bool:
        return self.pid is not None and (self._ready is None or self._ready())


def end_session(session: int) -> None:
    """Kill whatever still runs in a session that one of our children led.

    A process group would not do: a forked job of RQ leaves its worker's group, never its session.
    """
    if not Path("/proc/self/stat").exists():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        return
    for pid in _members_of(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members_of(session: int) -> Iterator[int]:
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError, IndexError):
            # After the name in parentheses: state, parent, group, session.
            facts = (place / "stat").read_text().rpartition(")")[2].split()
            if int(facts[3]) == session:
                yield int(place.name)


def _shorten(log: Path) -> None:
    """Keep one older log, so that a demo left running does not fill the disk for ever."""
    if log.exists() and log.stat().st_size > _LONGEST_LOG:
        log.replace(log.with_suffix(".old"))


def python_environment() -> dict[str, str]:
    """Our environment for a child that runs one of our modules, from whatever folder."""
    path = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def socket_folder(wanted: Path, longest_name: str) -> Path:
    """The wanted folder, or one under /tmp if a socket's path in it were too long for the kernel.

    The same answer each time. The caller creates it, and checks whose it is.
    """
    if len(os.fsencode(wanted / longest_name)) <= _LONGEST_SOCKET_PATH:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path("/tmp") / f"postroom-{digest}"  # noqa: S108  # private once the caller took it


def refuse_foreign(folder: Path, owners: set[int]) -> None:
    """Raise unless the folder is a real one that belongs to one of these user ids."""
    if folder.is_symlink() or folder.lstat().st_uid not in owners:
        raise EmbeddedServerError(f"{folder} belongs to another user. Remove it or choose another folder.")


def command_line(pid: int) -> bytes:
    """The words a process was started with; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return b""
    ask = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ask, capture_output=True, check=False).stdout


def free_port(preferred: int | None = None) -> int:
    """A TCP port on 127.0.0.1 that nobody listens on right now: the preferred one if possible.

    Any other is one that the system gives to no outgoing connection, so that it is still free when a server
    that takes seconds to start asks for it; and none that this process was given before.
    """
    drawn = [port for port in SystemRandom().sample(NEVER_OUTGOING, 20) if port not in _given]
    for port in (preferred, *drawn, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is not None:
                probe.bind(("127.0.0.1", port))
                _given.add(probe.getsockname()[1])
                return int(probe.getsockname()[1])
    raise EmbeddedServerError("This machine has no free port.")


def answers_on(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1 at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
