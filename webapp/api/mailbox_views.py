"""Mailboxes: set up, looked after and stopped, in the words of an installation's file."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from mailboxes import setup
from mailboxes.connection_check import CheckReport
from mailboxes.crm.paging import Page
from mailboxes.health.awaiting import state_of_any, why_not_soon
from mailboxes.interchange import one_mailbox
from mailboxes.interchange.one_mailbox import MAILBOX_CHANGES, NEW_MAILBOX
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError
from webapp.api.listing import page_of
from webapp.api.operations import WORDS, Parameter, demand_match, once, operation
from webapp.api.problems import QueryError
from webapp.api.shapes import FLAG, ID, NUMBER, TEXT, Kind, Shape, described, maybe, one_of, several
from webapp.configuration.pages import actor
from webapp.mailboxes.door import Door
from webapp.mailboxes.pages import mailbox_of_organization
from workers.queues import ring_outgoing

_MAY = ("mailbox.manage",)
_DOOR = Door("mailboxes", [], [], "")  # what is done behind it, without a page


@dataclass(frozen=True)
class Described:
    """A mailbox as a file would say it."""

    mailbox: Mailbox

    @cached_property
    def words(self) -> dict[str, Any]:
        """The keys of the file."""
        return one_mailbox.describe_mailbox(self.mailbox)


@dataclass(frozen=True)
class Status:
    """How a mailbox is; ``why_not_soon``: why nothing is fetched before long, in a sentence."""

    state: str
    why_not_soon: str | None


def _said(name: str) -> tuple[Kind, Any]:
    kind = described(NEW_MAILBOX.schema["properties"][name])
    return kind, lambda one: one.words.get(name)


_SCOPE = (
    one_of("organization", "system"),
    lambda mailbox: "system" if mailbox.global_mailbox_id else "organization",
)
SUMMARY = Shape(
    "MailboxSummary",
    id=ID,
    scope=_SCOPE,
    label=TEXT,
    address=TEXT,
    enabled=(FLAG, lambda mailbox: mailbox.is_enabled),
    action=TEXT,
)
MAILBOX = Shape(
    "Mailbox",
    id=(ID, lambda one: one.mailbox.id),
    scope=(_SCOPE[0], lambda one: _SCOPE[1](one.mailbox)),
    **{name: _said(name) for name in ("label", "address", "aliases", "enabled", "shadow")},
    account=(maybe(_said("account")[0]), _said("account")[1]),
    processing=_said("processing"),
    signature=_said("signature"),
    access=(_said("access")[0], lambda one: list(one.words["access"].values())),
)
STATUS = Shape("MailboxStatus", state=TEXT, why_not_soon=maybe(TEXT))
STEP = Shape(
    "CheckStep",
    name=TEXT,
    protocol=TEXT,
    state=TEXT,
    detail=TEXT,
    advice=TEXT,
    milliseconds=NUMBER,
)
FOLDER = Shape("CheckedFolder", name=TEXT)
CHECK = Shape("Check", is_ok=FLAG, steps=several(STEP.kind), folders=several(FOLDER.kind))


@operation(
    "GET",
    "/mailboxes",
    scope="mailboxes:read",
    permissions=_MAY,
    answer=SUMMARY,
    query={"q": WORDS},
    is_list=True,
)
def list_mailboxes(query: dict[str, Any]) -> Page[Mailbox]:
    """The organization's mailboxes, and the system's that serve it, by label."""
    wanted = query.get("q", "")
    rows = select(Mailbox).where(
        func.lower(Mailbox.label + " " + Mailbox.address).contains(wanted.lower(), autoescape=True)
    )
    return page_of(query, rows, func.lower(Mailbox.label), Mailbox.id)


@operation("GET", "/mailboxes/<uuid:mailbox_id>", scope="mailboxes:read", permissions=_MAY, answer=MAILBOX)
def read_mailbox(mailbox_id: UUID) -> Described:
    """A mailbox with its connection, processing and access. Of a password only whether there is one."""
    return Described(mailbox_of_organization(mailbox_id))


@operation(
    "POST",
    "/mailboxes",
    scope="mailboxes:write",
    permissions=_MAY,
    body=NEW_MAILBOX,
    answer=MAILBOX,
    status=201,
    is_once=True,
)
def make_mailbox(body: dict[str, Any]) -> Described:
    """Set up a mailbox. People and roles are named as in an installation's file."""
    id = once(lambda: one_mailbox.make_mailbox(body, by=actor()).id)
    db.session.commit()
    return Described(mailbox_of_organization(id))


@operation(
    "PATCH",
    "/mailboxes/<uuid:mailbox_id>",
    scope="mailboxes:write",
    permissions=_MAY,
    body=MAILBOX_CHANGES,
    answer=MAILBOX,
    is_matched=True,
)
def change_mailbox(mailbox_id: UUID, body: dict[str, Any]) -> Described:
    """Change what is said, and leave the rest. Another host, port or user demands the password anew."""
    mailbox = own_mailbox(mailbox_id)
    setup.lock(mailbox)
    demand_match(MAILBOX.shown(Described(mailbox)))
    one_mailbox.change_mailbox(mailbox, body, by=actor())
    db.session.commit()
    ring_outgoing(mailbox.organization_id)
    return Described(mailbox)


@operation(
    "DELETE",
    "/mailboxes/<uuid:mailbox_id>",
    scope="mailboxes:write",
    permissions=_MAY,
    query={"label": Parameter("The label of the mailbox, so that no other one is meant.", WORDS.read)},
    is_matched=True,
)
def delete_mailbox(mailbox_id: UUID, query: dict[str, Any]) -> None:
    """Close a mailbox at once, and delete it with its messages in the background."""
    mailbox = mailbox_of_organization(mailbox_id)
    setup.demand_own_to_delete(mailbox)
    setup.lock(mailbox)
    demand_match(MAILBOX.shown(Described(mailbox)))
    try:
        _DOOR.delete(mailbox, query.get("label", ""))
    except InvalidError as error:
        raise QueryError(error.message, "label") from None


@operation(
    "POST", "/mailboxes/<uuid:mailbox_id>/pause", scope="mailboxes:write", permissions=_MAY, answer=STATUS
)
def pause_mailbox(mailbox_id: UUID) -> Status:
    """Fetch, convert and answer nothing for now; what is here stays."""
    mailbox = mailbox_of_organization(mailbox_id)
    _DOOR.switch(mailbox, is_enabled=False)
    return _status(mailbox)


@operation(
    "POST", "/mailboxes/<uuid:mailbox_id>/resume", scope="mailboxes:write", permissions=_MAY, answer=STATUS
)
def resume_mailbox(mailbox_id: UUID) -> Status:
    """Go on where it was paused."""
    mailbox = mailbox_of_organization(mailbox_id)
    _DOOR.switch(mailbox, is_enabled=True)
    ring_outgoing(mailbox.organization_id)
    return _status(mailbox)


@operation(
    "POST", "/mailboxes/<uuid:mailbox_id>/sync", scope="mailboxes:write", permissions=_MAY, answer=STATUS
)
def sync_mailbox(mailbox_id: UUID) -> Status:
    """Fetch within seconds, whatever the back-off says."""
    mailbox = mailbox_of_organization(mailbox_id)
    _DOOR.sync_soon(mailbox)
    return _status(mailbox, is_forced=True)


@operation(
    "GET", "/mailboxes/<uuid:mailbox_id>/status", scope="mailboxes:read", permissions=_MAY, answer=STATUS
)
def read_status(mailbox_id: UUID) -> Status:
    """How the mailbox is, in a word of its list, and why it is not fetched soon."""
    return _status(mailbox_of_organization(mailbox_id))


@operation(
    "POST", "/mailboxes/<uuid:mailbox_id>/check", scope="mailboxes:write", permissions=_MAY, answer=CHECK
)
def check_mailbox(mailbox_id: UUID) -> CheckReport:
    """Try the connection as it is stored: each step, and the folders that the server lists."""
    mailbox = mailbox_of_organization(mailbox_id)
    setup.own_account(mailbox)  # of the system's nothing is shown
    connection = setup.connection_of(mailbox)
    return setup.check(setup.values_of(mailbox, connection.account, connection.synced), connection.account)


def own_mailbox(id: UUID) -> Mailbox:
    """One that the organization set up itself; `ForbiddenError` for the system's."""
    mailbox = mailbox_of_organization(id)
    if mailbox.global_mailbox_id is not None:
        raise ForbiddenError("This mailbox is the system's. What is otherwise here is said on its page.")
    return mailbox


def own_rules_mailbox(id: UUID) -> Mailbox:
    """One whose own rules apply."""
    mailbox = mailbox_of_organization(id)
    if mailbox.rules_from != "own":
        raise ConflictError(
            "The system's rules apply in this mailbox, or none. Say on its page that yours do."
        )
    return mailbox


def _status(mailbox: Mailbox, *, is_forced: bool = False) -> Status:
    why = why_not_soon([mailbox.account_id], is_forced=is_forced).get(mailbox.account_id)
    return Status(state_of_any(mailbox), why)
