"""Child processes that never outlive their parent, and stop when asked."""

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from embedded.errors import EmbeddedServerError

PROJECT = Path(__file__).resolve().parent.parent

_PR_SET_PDEATHSIG = 1
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


def stop_process(process: subprocess.Popen[bytes], signals: Iterable[int], seconds_each: float) -> None:
    """Send one signal after the other until the process has ended; the last one is SIGKILL."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds_each)
        except subprocess.TimeoutExpired:
            continue


def wait_until(
    is_ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    *,
    name: str,
    log: Path,
    seconds: float,
) -> None:
    """Return once it is ready; EmbeddedServerError with the end of its log if it dies or is late."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.poll() is not None:
            raise EmbeddedServerError(
                f"{name} ended while starting (status {process.returncode}). {log_tail(log)}"
            )
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"{name} was not ready after {seconds:.0f} seconds. {log_tail(log)}")
        time.sleep(0.01)


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log and where the rest is, for an error sentence."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return f"Its log is {log}."
    tail = "\n".join(text.splitlines()[-lines:])
    return f"Its log is {log}:\n{tail}"


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


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers_on(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1 at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
