"""Who opens the pages, where a file of tests says nothing else."""

from typing import Any

import pytest
from flask import Flask

from tests.factories import World, sign_in


@pytest.fixture
def client(app: Flask, ours: World, theirs: World) -> Any:
    """An administrator of our organization, who has signed in."""
    return sign_in(app, ours.admin)
