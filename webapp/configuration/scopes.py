"""Whose configuration a page is about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tenants.configuration.catalog import ORGANIZATION, SYSTEM, USER
from tenants.users import User


@dataclass(frozen=True)
class Scope:
    """A level with its name, the address of each group's page, and the tree's further links.

    ``more`` are links that stand in the tree beside the groups: (label, url, is_current).
    """

    level: str
    label: str
    group_url: Callable[[str], str]
    user: User | None = None
    scopes: list[dict[str, Any]] = field(default_factory=list)
    more: list[dict[str, Any]] = field(default_factory=list)
    breadcrumbs: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def inherit_words(self) -> str:
        """The words on the box that lets a value go."""
        return "Use default" if self.level == SYSTEM else "Use system value"

    @property
    def is_system(self) -> bool:
        """Whether this is the installation's own level."""
        return self.level == SYSTEM

    @property
    def is_organization(self) -> bool:
        """Whether an organization is configured."""
        return self.level == ORGANIZATION

    @property
    def is_person(self) -> bool:
        """Whether a person configures for themselves."""
        return self.level == USER
