"""Where in My Emails a page stands: mailbox, view, search and page, all of it in the address."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import g, request, url_for

from mailboxes.access import readable_mailbox
from mailboxes.inbox.listing import Key
from mailboxes.inbox.saved_views import SavedView
from mailboxes.inbox.selection import EVERYTHING, INBOX, VIEWS, Selection, View
from mailboxes.search_terms import Query, parse_query

_NOWHERE = UUID(int=0)


@dataclass(frozen=True)
class Place:
    """What the address says; what makes no sense in it is left out."""

    mailbox_id: UUID | None = None
    view: View = VIEWS[INBOX]
    query: Query = Query()  # noqa: RUF009  # frozen
    before: Key | None = None
    after: Key | None = None

    @property
    def selection(self) -> Selection:
        """What the member who looks sees there."""
        return Selection(g.member, self.mailbox_id, self.view, self.query)

    @property
    def arguments(self) -> dict[str, str]:
        """As parameters of an address, without those that say nothing."""
        values = {
            "mailbox": str(self.mailbox_id) if self.mailbox_id else "",
            "view": self.view.name if self.view.name != _usual_view(self.query) else "",
            "q": str(self.query),
            "before": str(self.before) if self.before else "",
            "after": str(self.after) if self.after else "",
        }
        return {name: value for name, value in values.items() if value}

    def url(self, endpoint: str = "mail.index", *, anchor: str | None = None, **values: Any) -> str:
        """The address of a page that remembers this place."""
        return url_for(endpoint, _anchor=anchor, **{**self.arguments, **values})

    def of(self, **changes: Any) -> "Place":
        """Another place, on its first page unless a page is named."""
        return replace(self, **{"before": None, "after": None, **changes})


def place_of_request() -> Place:
    """Where the request stands. `NotFoundError` for a mailbox that the member may not read."""
    arguments = request.args
    mailbox_id = _id(arguments.get("mailbox", ""))
    if mailbox_id is not None:
        readable_mailbox(g.member, mailbox_id)
    query = parse_query(arguments.get("q", ""))
    usual = VIEWS[_usual_view(query)]
    return Place(
        mailbox_id=mailbox_id,
        view=VIEWS.get(arguments.get("view", usual.name), usual),
        query=query,
        before=Key.of(arguments.get("before")),
        after=Key.of(arguments.get("after")),
    )


def place_of_view(view: SavedView) -> Place:
    """Where a saved view leads."""
    selection = view.selection(g.member)
    return Place(selection.mailbox_id, selection.view, selection.query)


def wants_part(name: str) -> bool:
    """Whether the request is for one part of the page, named by its id."""
    headers = request.headers
    is_restoring = headers.get("HX-History-Restore-Request") == "true"
    return headers.get("HX-Request") == "true" and headers.get("HX-Target") == name and not is_restoring


def _usual_view(query: Query) -> str:
    """Who searches without saying where searches everything."""
    return EVERYTHING if query else INBOX


def _id(text: str) -> UUID | None:
    if not text or text == "all":
        return None
    try:
        return UUID(text)
    except ValueError:
        return _NOWHERE
