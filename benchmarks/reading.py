"""What reading a message takes of the processor, step by step; no server and no database takes part."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.messages import Author
from benchmarks.tables import print_table
from mailboxes.classifying import classify
from mailboxes.parsing import parse
from mailboxes.quoting import reply_text
from mailboxes.raws import pack
from mailboxes.reading import read_message
from mailboxes.search import words_of

ROUNDS = 5  # the least of them is told: all else is the machine's doing
ADDRESS = "support@acme.test"


def run(count: int, folder: Path | None = None) -> dict[str, Any]:
    """Read so many messages, of the usual author or from the files of a folder; milliseconds for each."""
    raws = _of(folder)[:count] if folder else list(Author(ADDRESS).messages(count))
    parsed = [parse(raw) for raw in raws]
    gc.collect()
    gc.freeze()  # as in the processes that do this
    pairs = list(zip(parsed, raws, strict=True))
    figures = {
        "reading, all of it": _least(lambda: [read_message(raw, "", is_answerable=False) for raw in raws]),
        "parsing": _least(lambda: [parse(raw) for raw in raws]),
        "setting quotations apart": _least(lambda: [reply_text(one.text) for one in parsed]),
        "classifying": _least(lambda: [classify(one, raw) for one, raw in pairs]),
        "words for the search": _least(lambda: [words_of(one.text) for one in parsed]),
        "compressing": _least(lambda: [pack(raw) for raw in raws]),
    }
    of_each = {name: 1000 * seconds / len(raws) for name, seconds in figures.items()}
    print_table(f"Reading {len(raws):,} messages, processor", ("step", "ms a message"), list(of_each.items()))
    return {"mean size (KB)": sum(map(len, raws)) / len(raws) / 1024, **of_each}


def _of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def _least(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)
