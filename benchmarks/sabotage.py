"""``./dev sabotage [WORD …]``: break the source in one place after another; the named test has to notice.

The tests that are named pass first, without any sabotage. Then each is applied to a copy of the tree, and
taken back; two copies work side by side. Told is what the named test said: *red* is what is wanted. Whatever
is not red is a hole in the tests, and the exit code is 1.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.tables import print_table
from embedded.folders import temporary_folder
from tests.faults.sabotages import SABOTAGES, Sabotage

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
LIMIT = ("--timeout", "100")  # of one test; what hangs has noticed, too
COPIES = 2
RED, GREEN, BROKEN = "red", "GREEN: nobody noticed", "BROKEN: the test did not run"
Row = tuple[str, str, float, str]


def main() -> None:
    """Apply those with one of the words in their name or place, and exit with 1 if one was not noticed."""
    words = sys.argv[1:] or [""]
    chosen = [one for one in SABOTAGES if any(word in f"{one.name} {one.path}" for word in words)]
    if not chosen:
        sys.exit(f"No sabotage has {' or '.join(words)} in its name or place.")
    with temporary_folder() as shared:
        _demand_green(chosen, shared)
        rows = _played(chosen, shared)
    red = sum(outcome == RED for _, outcome, _, _ in rows)
    columns = ("sabotage", "outcome", "seconds", "test")
    print_table(f"{red} of {len(rows)} sabotages were noticed", columns, rows)
    sys.exit(red < len(rows))


def _demand_green(chosen: Sequence[Sabotage], shared: Path) -> None:
    """A test that fails anyway would prove nothing."""
    for phase in sorted({one.phase for one in chosen}):
        tests = dict.fromkeys(one.test for one in chosen if one.phase == phase)
        done = _pytest(ROOT, phase, *tests, shared=shared)
        if done.returncode:
            sys.exit(f"Without any sabotage, tests fail that should pass:\n{done.stdout[-5_000:]}")
        print(f"{len(tests)} tests pass without sabotage ({phase})", flush=True)


def _played(chosen: Iterable[Sabotage], shared: Path) -> list[Row]:
    trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
    with temporary_folder() as folder, ThreadPoolExecutor(COPIES) as pool:
        for number in range(COPIES):
            trees.put(_copied(folder / f"tree{number}"))
        return list(pool.map(lambda sabotage: _row(sabotage, trees, shared), chosen))


def _row(sabotage: Sabotage, trees: "queue.SimpleQueue[Path]", shared: Path) -> Row:
    began, tree = time.monotonic(), trees.get()
    try:
        outcome = _outcome(sabotage, tree, shared)
    finally:
        trees.put(tree)
    seconds = time.monotonic() - began
    print(f"{outcome:8} {sabotage.name} ({seconds:.0f} s)", flush=True)
    return sabotage.name, outcome, seconds, sabotage.test.rpartition("::")[2]


def _outcome(sabotage: Sabotage, tree: Path, shared: Path) -> str:
    place = tree / sabotage.path
    source, times = place.read_bytes(), place.stat()
    sabotage.apply(tree)
    migrated = None if sabotage.path.parts[0] == "migrations" else shared
    try:
        done = _pytest(tree, sabotage.phase, sabotage.test, shared=migrated, seconds=PATIENCE)
    except subprocess.TimeoutExpired:
        return RED  # it hangs where it should not
    finally:
        place.write_bytes(source)
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))  # it was compiled before
    if done.returncode <= 0:
        return RED if done.returncode else GREEN  # killed: the fault has ended the test itself
    summary = done.stdout.rstrip().rpartition("\n")[2]
    return RED if re.search(r"\d+ failed", summary) else BROKEN


def _pytest(
    tree: Path, phase: str, *tests: str, shared: Path | None, seconds: float | None = None
) -> "subprocess.CompletedProcess[str]":
    """Where runs share a folder, the first one has set up PostgreSQL and migrated it for all."""
    options = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short", *LIMIT]
    folder = {"POSTROOM_TEST_FOLDER": str(shared)} if shared else {}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=os.environ | {"PHASE": phase, "PYTHONPATH": str(tree)} | folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _copied(tree: Path) -> Path:
    """The files that git knows, for all sabotages of a thread: Python compiles only what changes."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    return tree


if __name__ == "__main__":
    main()
