"""Reading a suspect message in a process of its own, with limits: what kills that, kills nothing else.

A message is suspect when a process died while it was among those being read (reliability F50). The
child answers with a `Reading` or a sentence; when it dies or takes too long, the message is proven poison.
"""

import os
import pickle
import resource
import select
import struct
import subprocess
import sys
import time
from typing import IO

from mailboxes.reading import Reading, read_message

WALL_SECONDS = 20.0
CPU_SECONDS = 15
MEMORY_BYTES = 1536 * 1024 * 1024
MODULE = "mailboxes.reading.child"

_LENGTH = struct.Struct(">Q")


class PoisonError(Exception):
    """This message cannot be read; the text says what happened."""


class ReaderApart:
    """A child that reads messages one by one; a new one is started after a death."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ReaderApart":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, raw: bytes, trusted_authserv_id: str, *, is_answerable: bool = True) -> Reading:
        """Read one message; `PoisonError` if the child fails, dies or takes too long over it."""
        child = self._running()
        question = pickle.dumps((raw, trusted_authserv_id, is_answerable))
        try:
            answer = self._asked(child, question)
        except (EOFError, BrokenPipeError):
            code = child.wait()
            self._end()
            raise PoisonError(f"the program that reads messages died over it ({_death(code)})") from None
        except TimeoutError:
            self._end()
            raise PoisonError(f"reading it took longer than {WALL_SECONDS:.0f} seconds") from None
        if isinstance(answer, str):
            raise PoisonError(answer)
        return answer

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                close_fds=True,
            )
        return self._child

    def _asked(self, child: "subprocess.Popen[bytes]", question: bytes) -> Reading | str:
        if child.stdin is None or child.stdout is None:
            raise EOFError
        child.stdin.write(_LENGTH.pack(len(question)) + question)
        child.stdin.flush()
        deadline = time.monotonic() + WALL_SECONDS
        (length,) = _LENGTH.unpack(_awaited(child.stdout, _LENGTH.size, deadline))
        answer: Reading | str = pickle.loads(_awaited(child.stdout, length, deadline))  # noqa: S301  # our child
        return answer

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def _awaited(pipe: IO[bytes], count: int, deadline: float) -> bytes:
    """So many bytes from a pipe; `TimeoutError` after the deadline, `EOFError` at its end."""
    received = bytearray()
    while len(received) < count:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        piece = os.read(pipe.fileno(), min(count - len(received), 1 << 20))
        if not piece:
            raise EOFError
        received += piece
    return bytes(received)


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def serve() -> None:
    """Answer the parent until it goes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while header := sys.stdin.buffer.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(header)
        answer = pickle.dumps(_answer(sys.stdin.buffer.read(length)))
        sys.stdout.buffer.write(_LENGTH.pack(len(answer)) + answer)
        sys.stdout.buffer.flush()


def _answer(question: bytes) -> Reading | str:
    raw, trusted_authserv_id, is_answerable = pickle.loads(question)  # noqa: S301  # from our parent
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    try:
        return read_message(raw, trusted_authserv_id, is_answerable=is_answerable)
    except Exception as error:  # noqa: BLE001  # whatever a broken message provokes
        return failure_text(error)


def failure_text(error: BaseException) -> str:
    """What a page tells of a message that could not be read: no values of the message in it."""
    return f"reading it failed ({type(error).__name__})"
