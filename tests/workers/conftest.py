"""Where jobs find their application."""

from typing import Any

import pytest


@pytest.fixture
def environment_of_jobs(environment: dict[str, str], app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs make their application from the environment; here it is the tests' own."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("workers.runtime._app_of", lambda process_id: app)
