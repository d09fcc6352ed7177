"""Which conversations a list shows: a mailbox or all of them, a view, a search."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, true

from mailboxes.access import readable_ids
from mailboxes.inbox.subscriptions import unfollowed_ids
from mailboxes.search_terms import Query
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from tenants.database import now
from tenants.organizations import Membership

INBOX = "inbox"
UNREAD = "unread"
DRAFTS = "drafts"
EVERYTHING = "all"


@dataclass(frozen=True)
class View:
    """A way to look at conversations. ``is_counted``: how many there are is shown beside its name.

    ``is_of_few``: an index of the organization's finds its conversations, whatever the mailboxes.
    ``brings_back``: what is put away is not in it, and on top of it when its time has come.
    ``is_soonest_first``: its conversations stand by the time when they come back.
    """

    name: str
    label: str
    icon: str
    condition: Callable[[Membership], ColumnElement[bool]]
    is_counted: bool = False
    is_of_few: bool = False
    brings_back: bool = False
    is_soonest_first: bool = False
    key: str = ""  # with g, the keys that lead there


def is_snoozed() -> ColumnElement[bool]:
    """Whether a `Thread` is put away now."""
    return Thread.snoozed_until > now()


def _is_here() -> ColumnElement[bool]:
    return or_(Thread.snoozed_until.is_(None), Thread.snoozed_until <= now())


def _is_received() -> ColumnElement[bool]:
    return and_(Thread.incoming_count > 0, _is_here())


def _is_to_do() -> ColumnElement[bool]:
    return and_(Thread.incoming_count > 0, Thread.status != "done", _is_here())


_VIEWS = (
    View(INBOX, "Inbox", "inbox", lambda _: _is_to_do(), brings_back=True, key="i"),
    View(UNREAD, "Unread", "mail", lambda _: _is_received(), is_counted=True, brings_back=True, key="n"),
    View(
        "mine",
        "Mine",
        "user-check",
        lambda member: and_(Thread.assignee_id == member.id, Thread.status != "done", _is_here()),
        is_counted=True,
        is_of_few=True,
        brings_back=True,
        key="m",
    ),
    View(
        "unassigned",
        "Unassigned",
        "circle-user",
        lambda _: and_(_is_to_do(), Thread.assignee_id.is_(None)),
        is_counted=True,
        brings_back=True,
    ),
    View(
        "waiting",
        "Waiting",
        "clock",
        lambda _: Thread.status == "waiting",
        is_counted=True,
        is_of_few=True,
        key="w",
    ),
    View(
        "snoozed",
        "Snoozed",
        "alarm-clock",
        lambda _: is_snoozed(),
        is_counted=True,
        is_of_few=True,
        is_soonest_first=True,
        key="b",
    ),
    View("done", "Done", "check", lambda _: Thread.status == "done", key="d"),
    View("sent", "Sent", "send", lambda _: Thread.outgoing_count > 0, key="s"),
    View(DRAFTS, "Drafts", "file-pen", lambda _: true(), is_counted=True),
    View(EVERYTHING, "All", "mail-open", lambda _: true(), key="a"),
)
VIEWS: dict[str, View] = {view.name: view for view in _VIEWS}
_NO_QUERY = Query()


@dataclass(frozen=True)
class Selection:
    """What one member looks at. ``mailbox_id`` None means every mailbox they may read.

    ``is_of_followed``: of these, what they follow.
    """

    member: Membership
    mailbox_id: UUID | None = None
    view: View = VIEWS[INBOX]
    query: Query = _NO_QUERY
    is_of_followed: bool = False

    def mailbox_ids(self) -> Select[UUID]:
        """The readable mailboxes of this selection, as a subquery."""
        chosen = readable_ids(self.member)
        if self.is_of_followed:
            chosen = chosen.where(Mailbox.id.not_in(unfollowed_ids(self.member)))
        return chosen if self.mailbox_id is None else chosen.where(Mailbox.id == self.mailbox_id)
