"""A conversation is put away until a time, and brought back before it."""

from uuid import UUID

from flask import flash, g, redirect, request
from flask.typing import ResponseReturnValue

from mailboxes.access import demand_reply, readable_thread
from mailboxes.inbox import snoozing
from tenants.database import db
from webapp.filters import absolute_time
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.list_views import after_done
from webapp.mail.moments import moment_of
from webapp.mail.place import place_of_request
from workers import queues


@blueprint.post("/conversations/<uuid:thread_id>/snooze")
@member_required
def snooze(thread_id: UUID) -> ResponseReturnValue:
    """Put it away until a moment."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    until = moment_of(request.form.get("until", ""))
    goes_to = after_done(thread)
    snoozing.snooze(g.member, [thread.id], until)
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    flash(f"“{thread.subject or 'The conversation'}” comes back on {absolute_time(until)}.", "success")
    return redirect(goes_to(), 303)


@blueprint.post("/conversations/<uuid:thread_id>/back")
@member_required
def bring_back(thread_id: UUID) -> ResponseReturnValue:
    """Bring it back before its time."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    snoozing.bring_back(g.member, [thread.id])
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)
