"""Which mailbox My Emails shows: the first by label, and others by typing a part of label or address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.access import has_words, mailboxes_to_write_from, readable_mailbox, readable_mailboxes
from mailboxes.inbox.listing import Counts
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.place import Place, place_of_request, wants_part
from webapp.mail.presenting import mailboxes_of

MOST_LISTED = 50
LONGEST_SEARCH = 200


@blueprint.get("/mailboxes")
@member_required
def mailboxes() -> ResponseReturnValue:
    """The mailboxes that have some words; for htmx the selector's lines alone."""
    words = request.args.get("label", "").replace("\x00", "").strip()[:LONGEST_SEARCH]
    place = place_of_request()
    found, has_more = _found(words)
    return render_template(
        "mail/mailboxes.html" if wants_part("mailboxes") else "mail/choose_mailbox.html",
        place=place,
        mailboxes=mailboxes_of(place, found)[1 if words else 0 :],
        has_more_mailboxes=has_more,
        mailbox_words=words,
    )


@dataclass(frozen=True)
class Listed:
    """The mailboxes that a page's selector lists: the first, with the one that is shown."""

    found: Sequence[Mailbox]
    has_more: bool
    current: Mailbox | None


def listed_mailboxes(place: Place) -> Listed:
    """What the selector of a page lists."""
    found, has_more = _found()
    current = readable_mailbox(g.member, place.mailbox_id) if place.mailbox_id else None
    if current is not None and current not in found:
        found = [*found, current]
    return Listed(found, has_more, current)


def selector_of(place: Place, listed: Listed, counts: Counts) -> dict[str, Any]:
    """The selector of a page."""
    return {
        "mailboxes": mailboxes_of(place, listed.found, counts),
        "has_more_mailboxes": listed.has_more,
        "mailbox_words": "",
        "mailbox_label": listed.current.label if listed.current is not None else "All my mailboxes",
        "has_mailboxes": bool(listed.found),
        "may_write": db.session.scalar(select(mailboxes_to_write_from(g.member).exists())),
    }


def _found(words: str = "") -> tuple[Sequence[Mailbox], bool]:
    """The first that this member may read and that have all the words, and whether there are more."""
    query = readable_mailboxes(g.member).where(*has_words(words))
    found = db.session.scalars(query.limit(MOST_LISTED + 1)).all()
    return found[:MOST_LISTED], len(found) > MOST_LISTED
