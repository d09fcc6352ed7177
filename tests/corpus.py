"""Where the corpus of real messages lies; tests with the mark ``corpus`` skip without it."""

import os
from pathlib import Path

import pytest


def corpus_folder() -> Path:
    """``POSTROOM_CORPUS``, else ``../shared/corpus`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("POSTROOM_CORPUS") or beside)
    if not (folder / "README.md").exists():
        pytest.skip("The corpus is missing. Set POSTROOM_CORPUS to its folder.")
    return folder
