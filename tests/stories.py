"""Plug-in: stories. A file ``test_…_story.py`` is told in the order in which it is written, by one process.

Its tests share something that takes long to start, and the last one ends it. One process tells also what is
quick once the code is read (`READERS`), and what goes through the same furnished pages (`SHOWROOM`).
Everything else is shuffled and spread over the cores, one test at a time; what is marked as ``long`` is begun
first, so that no core waits for it at the end. Tests of the browser follow one another: it is started once.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

READERS = ("tests/architecture/", "tests/webapp/test_components.py")
SHOWROOM = ("tests/browser/test_every_page.py", "tests/browser/test_refusals.py")


class StoryScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives a whole story or file of readers, or a single test, to whichever process is free; those first."""

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget what is done: after each test, all that a process was ever given would be counted anew."""
        super().mark_test_complete(node, item_index, duration)
        given = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(given[scope].values()):
            del given[scope]

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(SHOWROOM):
            return "showroom"
        is_whole = _tells_story(nodeid) or nodeid.startswith(READERS)
        return nodeid.partition("::")[0] if is_whole else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> StoryScheduling:
    """As ``--dist loadscope``, with scopes of our own."""
    return StoryScheduling(config, log)


@pytest.hookimpl(trylast=True)  # once the order has been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of each story back in order, one after another, before all others; long ones follow."""
    story = [item for item in items if _tells_story(item.nodeid)]
    told = {id(item) for item in story}
    story.sort(key=lambda item: (item.path.as_posix(), item.reportinfo()[1] or 0))
    others = [item for item in items if id(item) not in told]
    others.sort(key=_turn)
    items[:] = [*story, *others]


def _turn(item: pytest.Item) -> int:
    """Long ones, then those that share a browser, then all others."""
    is_long, has_browser = (item.get_closest_marker(name) is not None for name in ("long", "browser"))
    if has_browser:
        return 1 if is_long else 2
    return 0 if is_long else 3


def _tells_story(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith("_story.py")
