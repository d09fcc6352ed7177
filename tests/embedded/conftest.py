"""A folder for the servers of a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.folders import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder
