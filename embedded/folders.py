"""Folders that the embedded servers may live in, whoever runs them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that PostgreSQL's user can reach (also when we are root), removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-", dir=_reachable_parent()))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def default_data_folder() -> Path:
    """Where the demo keeps its data: root's home is closed to PostgreSQL's user, so not there."""
    if os.geteuid() == 0:
        return _reachable_parent() / "postroom-demo-0"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "postroom-demo"


def _reachable_parent() -> Path:
    """Short (a socket's path is limited), and not below anybody's home."""
    return Path("/var/tmp")  # noqa: S108  # the names in it are random, or checked for their owner
