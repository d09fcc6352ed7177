"""Fixtures of every test, by plug-in."""

import gc
import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.services", "tests.world", "tests.mail_servers", "tests.stories"]

# Speed is measured in benchmarks, never asserted here; on CI the examples are the same every time.
settings.register_profile("postroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("postroom"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "postroom")


def pytest_collection_finish() -> None:
    """What is there now stays until the end: the collector need not look at it after each few tests.

    It looks less often, too: what a page leaves behind goes without it, and what stays is looked through in
    vain, a tenth of the processor's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
