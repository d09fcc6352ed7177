"""Who works on a conversation: found by name, and chosen."""

from typing import Any
from uuid import UUID

from flask import g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.access import readable_mailbox, readable_thread
from mailboxes.inbox.conversation import assign, may_be_assigned
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tenants.errors import NotFoundError
from webapp.explaining import searched_words
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.place import place_of_request, wants_part
from workers import queues

MOST_SHOWN = 20  # others are found by typing


@blueprint.get("/conversations/<uuid:thread_id>/assignees")
@member_required
def assignees(thread_id: UUID) -> ResponseReturnValue:
    """Whom the conversation can be given to, of a name; for htmx the menu's lines alone."""
    thread = readable_thread(g.member, thread_id)
    found = people_to_assign(readable_mailbox(g.member, thread.mailbox_id), searched_words())
    name = "mail/assignees.html" if wants_part("assignees") else "mail/assign.html"
    return render_template(name, place=place_of_request(), thread=thread, **found)


@blueprint.post("/conversations/<uuid:thread_id>/assignee")
@member_required
def assignee(thread_id: UUID) -> ResponseReturnValue:
    """Give the conversation to somebody, or to nobody."""
    thread = readable_thread(g.member, thread_id)
    assign(g.member, [thread.id], _member_id(request.form.get("assignee", "")))
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)


def people_to_assign(mailbox: Mailbox, words: str = "") -> dict[str, Any]:
    """The first of those who may read a mailbox, and whether there are more."""
    people = db.session.scalars(may_be_assigned(mailbox, words).limit(MOST_SHOWN + 1)).all()
    return {
        "me": g.member,
        "people": [person for person in people[:MOST_SHOWN] if person.id != g.member.id or words],
        "has_more_people": len(people) > MOST_SHOWN,
        "person_words": words,
    }


def _member_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError from None
