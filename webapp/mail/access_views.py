"""Why somebody sees a conversation."""

from uuid import UUID

from flask import g, render_template
from flask.typing import ResponseReturnValue

from mailboxes.access import explained, readable_mailbox, readable_thread
from webapp.explaining import people_found, searched_words
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.place import place_of_request


@blueprint.get("/conversations/<uuid:thread_id>/access")
@member_required
def access(thread_id: UUID) -> ResponseReturnValue:
    """Why the member sees it; who manages mailboxes is told the same of everybody."""
    thread = readable_thread(g.member, thread_id)
    mailbox = readable_mailbox(g.member, thread.mailbox_id)
    is_manager = "mailbox.manage" in g.permissions
    return render_template(
        "mail/access.html",
        place=place_of_request(),
        thread=thread,
        mailbox=mailbox,
        own=explained(g.member, mailbox),
        people=people_found(mailbox) if is_manager else None,
        words=searched_words(),
    )
