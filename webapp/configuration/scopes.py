"""Whose configuration a page is about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tenants.configuration.catalog import CATALOG, ORGANIZATION, SYSTEM, USER, Setting
from tenants.errors import NotFoundError
from tenants.users import User

INHERIT_WORDS = {
    SYSTEM: "Use default",
    ORGANIZATION: "Use system value",
    USER: "Use organization's value",
}


@dataclass(frozen=True)
class Scope:
    """A level with its name, the addresses of its pages, and the tree's further links.

    ``url`` makes the address of an endpoint (group, reset, history, …) in this scope; ``more`` are links
    that stand in the tree beside the groups; ``system_url``, where there is one, leads this person to the
    same group at the system's level.
    """

    level: str
    label: str
    url: Callable[..., str]
    organization_name: str = ""
    user: User | None = None
    scopes: list[dict[str, Any]] = field(default_factory=list)
    more: list[dict[str, Any]] = field(default_factory=list)
    breadcrumbs: list[tuple[str, str | None]] = field(default_factory=list)
    system_url: Callable[[str], str] | None = None

    @property
    def inherit_words(self) -> str:
        """The words on the box that lets a value go."""
        return INHERIT_WORDS[self.level]

    @property
    def is_system(self) -> bool:
        """Whether this is the installation's own level."""
        return self.level == SYSTEM

    def group_url(self, key: str, **more: Any) -> str:
        """The page of a group."""
        return self.url("group", key=key, **more)

    def setting_of(self, key: str) -> Setting:
        """A setting of this level; `NotFoundError` if it is none."""
        setting = CATALOG.get(key)
        if setting is None or self.level not in setting.levels:
            raise NotFoundError
        return setting

    def place_of(self, setting: Setting) -> str:
        """The address at which the page shows a setting."""
        return self.group_url(setting.group, _anchor=anchor_of(setting.key))


def field_name(key: str) -> str:
    """The name of a setting's field; a form's field may not hold dots."""
    return key.replace(".", "-").replace("_", "-")


def anchor_of(key: str) -> str:
    """The id of a setting's row."""
    return f"setting-{field_name(key)}"
