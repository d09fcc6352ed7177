"""A conversation is put away until a time, and brought back before it."""

from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.access import demand_reply, readable_thread
from mailboxes.inbox import snoozing
from mailboxes.threads import Thread
from tenants.database import db
from webapp import records
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.forms import SnoozeForm
from webapp.mail.list_views import after_done
from webapp.mail.moments import moment_of
from webapp.mail.place import place_of_request
from workers import queues


@blueprint.route("/conversations/<uuid:thread_id>/snooze", methods=["GET", "POST"])
@member_required
def snooze(thread_id: UUID) -> ResponseReturnValue:
    """Put it away until a moment; the page is for what was typed and cannot be."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    form = SnoozeForm()
    goes_to = after_done(thread)
    if form.validate_on_submit() and records.accepts(form, lambda: _snooze(thread, form.until.data or "")):
        db.session.commit()
        queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
        flash(f"“{thread.subject or 'The conversation'}” is snoozed.", "success")
        return redirect(goes_to(), 303)
    page = render_template("mail/snooze.html", form=form, place=place_of_request(), thread=thread)
    return page, 422 if request.method == "POST" else 200


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


def _snooze(thread: Thread, typed: str) -> None:
    snoozing.snooze(g.member, [thread.id], moment_of(typed))
