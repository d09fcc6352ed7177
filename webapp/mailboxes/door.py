"""From where mailboxes are set up: the organization's configuration, or the system's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Door:
    """The links, the sidebar and the words of the pages behind one door."""

    url: Callable[..., str]  # (endpoint without blueprint, **values)
    sidebar: list[dict[str, Any]]
    breadcrumbs: list[tuple[str, str | None]]
    title: str
    is_system: bool = False
