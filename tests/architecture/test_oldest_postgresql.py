"""The walls stand on the oldest PostgreSQL that is supported, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.postgresql15
def test_schema_and_isolation_hold_on_postgresql_15(postgresql15_binaries):
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/tenants/test_fence.py",
            "tests/architecture/test_tables.py",
            "-q",
        ],
        cwd=ROOT,
        env={**os.environ, "POSTROOM_TEST_POSTGRESQL": str(postgresql15_binaries), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
