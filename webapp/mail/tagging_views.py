"""A conversation gets a tag, or loses one."""

from uuid import UUID

from flask import g, redirect, request
from flask.typing import ResponseReturnValue

from mailboxes.access import readable_thread
from mailboxes.inbox import tagging
from mailboxes.threads import Thread
from tenants.database import db
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.list_views import may_define_tags
from webapp.mail.place import place_of_request
from workers import queues


@blueprint.post("/conversations/<uuid:thread_id>/tag")
@member_required
def tag(thread_id: UUID) -> ResponseReturnValue:
    """Give it one."""
    thread = readable_thread(g.member, thread_id)
    tagging.tag(g.member, [thread.id], request.form.get("tag", ""), may_define=may_define_tags())
    return _done(thread)


@blueprint.post("/conversations/<uuid:thread_id>/untag")
@member_required
def untag(thread_id: UUID) -> ResponseReturnValue:
    """Take one away."""
    thread = readable_thread(g.member, thread_id)
    tagging.untag(g.member, [thread.id], request.form.get("tag", ""))
    return _done(thread)


def _done(thread: Thread) -> ResponseReturnValue:
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)
