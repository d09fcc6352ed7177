"""``postroom inspect``: what Postroom understands of a message, as one JSON object.

Each file is read in a child process, so that one that crashes or hangs it still gets an object.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import resource
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mailboxes.classifying import classify
from mailboxes.languages import language_of
from mailboxes.parsing import Address, Attachment, attachment_contents, parse
from mailboxes.reading import reply_of
from mailboxes.sanitizing import sanitize

CHILDREN = min(os.cpu_count() or 1, 4)
SECONDS_PER_FILE = 20.0
MEMORY_BYTES = 2 * 1024**3

Inspection = dict[str, Any]


def inspect(raw: bytes, name: str, extract_to: Path | None = None) -> Inspection:
    """One message as the object of ``postroom inspect``; attachments go to ``extract_to``."""
    parsed = parse(raw)
    found = classify(parsed, raw)
    reply = reply_of(parsed)
    contents = list(attachment_contents(raw, [attachment.position for attachment in parsed.attachments]))
    if extract_to is not None:
        _extract(contents, extract_to)
    return {
        "file": name,
        "message_id": parsed.message_id,
        "in_reply_to": parsed.in_reply_to,
        "references": list(parsed.references),
        "date": parsed.sent_at.isoformat() if parsed.sent_at else None,
        "from": _address(parsed.sender) if parsed.sender else None,
        "reply_to": [_address(address) for address in parsed.reply_to],
        "to": [_address(address) for address in parsed.to],
        "cc": [_address(address) for address in parsed.cc],
        "bcc": [_address(address) for address in parsed.bcc],
        "subject": parsed.subject,
        "text": parsed.text,
        "reply_text": reply,
        "html": sanitize(parsed.html).html if parsed.html is not None else None,
        "attachments": list(map(_attachment, parsed.attachments, contents)),
        "is_automatic": found.is_automatic,
        "automatic_reasons": list(found.automatic_reasons),
        "is_bounce": found.is_bounce,
        "failed_recipients": list(found.failed_recipients),
        "language": language_of(reply, parsed.header("content-language")),
        "defects": list(parsed.defects),
    }


def line_of(inspection: Inspection) -> bytes:
    """One line of JSON in UTF-8, whatever the terminal speaks and whatever bytes the file's name has."""
    return json.dumps(inspection, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def unreadable(name: str, defect: str) -> Inspection:
    """The object of a file that could not be read at all."""
    return {**inspect(b"", name), "defects": [defect]}


def _address(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}


def _attachment(attachment: Attachment, content: bytes) -> dict[str, Any]:
    return {
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": len(content),
        "content_id": attachment.content_id,
        "inline": attachment.is_inline,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _extract(contents: Iterable[bytes], folder: Path) -> None:
    """Each file appears under its name when it is whole: a child may be stopped at any moment."""
    for content in contents:
        name = hashlib.sha256(content).hexdigest()
        path = folder / name
        if not path.exists():
            unfinished = folder / f".{name}.{os.getpid()}"
            unfinished.write_bytes(content)
            unfinished.replace(path)


def inspect_files(paths: Iterable[Path], extract_to: Path | None = None) -> Iterator[Inspection]:
    """The object of each file, in order. A file that kills or stalls its child still gets one."""
    children = [_Child(extract_to) for _ in range(CHILDREN)]
    waiting: deque[_Child] = deque()
    try:
        for path, child in zip(paths, cycle(children), strict=False):
            if len(waiting) == len(children):
                yield waiting.popleft().answer()
            child.ask(path)
            waiting.append(child)
        while waiting:
            yield waiting.popleft().answer()
    finally:
        for child in children:
            child.end()


class _Child:
    """A process that reads one file at a time; a new one when it died or took too long."""

    def __init__(self, extract_to: Path | None) -> None:
        self.extract_to = extract_to
        self.context = multiprocessing.get_context("fork")
        self.path = Path()
        self._start()

    def _start(self) -> None:
        self.connection, far_end = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(far_end, self.extract_to), daemon=True)
        self.process.start()
        far_end.close()

    def ask(self, path: Path) -> None:
        """Hand over a file."""
        self.path = path
        with contextlib.suppress(OSError):  # a dead child is noticed when it should answer
            self.connection.send(path)

    def answer(self) -> Inspection:
        """The object of the file that was handed over."""
        try:
            if self.connection.poll(SECONDS_PER_FILE):
                found: Inspection = self.connection.recv()
                return found
            defect = "took-too-long"
        except (EOFError, OSError):
            defect = "reader-died"
        self.end()
        self._start()
        return unreadable(str(self.path), defect)

    def end(self) -> None:
        """Stop the process."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, extract_to: Path | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        try:
            path: Path = connection.recv()
        except EOFError:
            return
        connection.send(_inspected(path, extract_to))


def _inspected(path: Path, extract_to: Path | None) -> Inspection:
    try:
        return inspect(path.read_bytes(), str(path), extract_to)
    except OSError as error:
        return unreadable(str(path), f"unreadable: {error.strerror}")
    except Exception as error:  # noqa: BLE001  # whatever a broken message provokes
        return unreadable(str(path), f"reader-failed: {type(error).__name__}")


def main(arguments: list[str] | None = None) -> int:
    """``python -m mailboxes.inspecting [--extract DIR] FILE …``."""
    parser = argparse.ArgumentParser(prog="postroom inspect")
    parser.add_argument("--extract", type=Path, metavar="DIR")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    if chosen.extract is not None:
        chosen.extract.mkdir(parents=True, exist_ok=True)
    for found in inspect_files(chosen.files, chosen.extract):
        sys.stdout.buffer.write(line_of(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
