"""From where mailboxes are set up: the organization's configuration, or the system's."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g, url_for

from mailboxes import setup
from mailboxes.crm.paging import Order
from mailboxes.global_mailboxes import overriding
from mailboxes.global_mailboxes.grid import global_mailbox_page, system_level
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.setup import FolderChoice, MailboxValues
from mailboxes.setup.deleting import Going
from mailboxes.setup.grid import GridFilter, Level, Listed, mailbox_page, organization_level
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from webapp.configuration.pages import actor
from webapp.configuration.sidebar import opened_tree, organization_tree, system_tree
from workers.queues import ring_deletion_of_mailbox

AnyMailbox = Mailbox | GlobalMailbox
FETCHING = "setting-sync-enabled"  # the anchor of the setting that switches fetching


@dataclass(frozen=True)
class Door:
    """The links, the sidebar and the words of the pages behind one door.

    What is done behind it is the same: an organization's own mailboxes here, `SystemDoor` below.
    """

    blueprint: str
    sidebar: list[dict[str, Any]]
    breadcrumbs: list[tuple[str, str | None]]
    title: str
    is_system = False
    shows_messages = True  # those that could not be taken in

    @property
    def level(self) -> Level:
        """What the grid is sorted and narrowed by."""
        return organization_level()

    @property
    def place(self) -> str:
        """The door in a word, by which somebody who comes back from elsewhere finds it again."""
        return self.blueprint

    @property
    def applying_url(self) -> str:
        """The page that says which mailboxes apply here, from where; "" where there is none."""
        return url_for("applying.index")

    @property
    def fetching_url(self) -> str:
        """Where fetching is switched on and off, for those who may; else ""."""
        if "organization.configure" not in g.get("permissions", frozenset()):
            return ""
        return url_for("organization.group", key="email", _anchor=FETCHING)

    @property
    def may_make_templates(self) -> bool:
        """Whether a response may become an email template for everybody, as the member's permissions say."""
        return "template.manage" in g.get("permissions", frozenset())

    def url(self, endpoint: str, **values: Any) -> str:
        """The address of a page behind this door."""
        return url_for(f"{self.blueprint}.{endpoint}", **values)

    def mailbox_page(self, filter: GridFilter, order: Order, cursor: str) -> Listed:
        """A page of the grid."""
        return mailbox_page(filter, order, cursor)

    def create(self, values: MailboxValues, folders: list[FolderChoice]) -> Mailbox:
        """A new mailbox, committed."""
        mailbox = setup.create(values, folders, by=actor())
        db.session.commit()
        return mailbox

    def change(self, mailbox: Mailbox, values: MailboxValues, folders: list[FolderChoice]) -> None:
        """Change a mailbox, committed."""
        setup.change(mailbox, values, folders, by=actor())
        db.session.commit()

    def delete(self, mailbox: Mailbox, typed_label: str) -> None:
        """Close a mailbox for good, committed; a job deletes it from now on."""
        setup.begin_deleting(mailbox, typed_label, by=actor())
        db.session.commit()
        ring_deletion_of_mailbox(mailbox.organization_id, mailbox.id)

    def going(self) -> list[Going]:
        """What is being deleted."""
        return setup.going()

    def switch(self, mailbox: Mailbox, *, is_enabled: bool) -> None:
        """Let it go on, or pause it, committed; nothing where it is so already."""
        if mailbox.global_mailbox_id is not None:
            overriding.switch(mailbox, is_enabled=is_enabled, by=actor())
        elif mailbox.is_enabled != is_enabled:
            (setup.resume if is_enabled else setup.pause)(mailbox, by=actor())
        db.session.commit()

    def go_live(self, mailbox: Mailbox) -> None:
        """End shadow mode, committed."""
        (overriding.go_live if mailbox.global_mailbox_id is not None else setup.go_live)(mailbox, by=actor())
        db.session.commit()

    def sync_soon(self, mailbox: Mailbox) -> None:
        """Make its account due at once, committed."""
        setup.sync_soon(mailbox)
        db.session.commit()


@dataclass(frozen=True)
class SystemDoor(Door):
    """The system administrators' door; what is done behind it is in `webapp.global_mailboxes`."""

    is_system = True
    may_make_templates = True  # system administrators, whom the guards of its routes demand
    applying_url = ""

    @property
    def fetching_url(self) -> str:
        """Where fetching is switched on and off for global mailboxes."""
        return url_for("system.group", key="email", _anchor=FETCHING)

    @property
    def level(self) -> Level:
        """What the grid is sorted and narrowed by."""
        return system_level()

    def mailbox_page(self, filter: GridFilter, order: Order, cursor: str) -> Listed:
        """A page of the grid of global mailboxes."""
        return global_mailbox_page(filter, order, cursor)

    def going(self) -> list[Going]:
        """What is being deleted is told in the organizations."""
        return []


@dataclass(frozen=True)
class OpenedDoor(Door):
    """A system administrator's door to the mailboxes of one organization: how they are set up, no message."""

    organization_id: UUID
    shows_messages = False
    may_make_templates = True  # as behind `SystemDoor`

    @property
    def place(self) -> str:
        """The door in a word, with the organization."""
        return f"{self.blueprint}-{self.organization_id}"

    @property
    def fetching_url(self) -> str:
        """Where fetching is switched on and off there."""
        id = self.organization_id
        return url_for("system.organization_group", organization_id=id, key="email", _anchor=FETCHING)

    @property
    def applying_url(self) -> str:
        """The page that says which mailboxes apply there, from where."""
        return url_for("applying.of_organization", organization_id=self.organization_id)

    def url(self, endpoint: str, **values: Any) -> str:
        """The address of a page behind this door."""
        return super().url(endpoint, organization_id=self.organization_id, **values)


def opened_door(organization_id: UUID, name: str) -> OpenedDoor:
    """The door to the organization that a system administrator has opened."""
    return OpenedDoor(
        blueprint="opened_mailboxes",
        sidebar=opened_tree(organization_id),
        breadcrumbs=[
            ("System", url_for("system.index")),
            ("Organizations", url_for("organizations.index")),
            (name, url_for("system.organization_group", organization_id=organization_id, key="email")),
            ("System mailboxes", url_for("opened_mailboxes.index", organization_id=organization_id)),
        ],
        title=f"System mailboxes of {name}",
        organization_id=organization_id,
    )


def organization_door() -> Door:
    """The door of the current organization."""
    return Door(
        blueprint="mailboxes",
        sidebar=organization_tree(),
        breadcrumbs=[
            ("Configuration", url_for("organization.index")),
            ("System mailboxes", url_for("mailboxes.index")),
        ],
        title=f"System mailboxes of {g.organization.name}",
    )


def system_door() -> SystemDoor:
    """The door of the installation."""
    return SystemDoor(
        blueprint="system_mailboxes",
        sidebar=system_tree(),
        breadcrumbs=[
            ("System", url_for("system.index")),
            ("Global mailboxes", url_for("system_mailboxes.index")),
        ],
        title="Global mailboxes",
    )
