"""A conversation gets a tag, or loses one."""

from uuid import UUID

from flask import g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.access import demand_reply, readable_thread
from mailboxes.inbox import tagging
from mailboxes.threads import Thread
from mailboxes.threads.tags import vocabulary
from tenants.database import db
from webapp import records
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.forms import TaggingForm
from webapp.mail.list_views import may_define_tags
from webapp.mail.place import place_of_request
from workers import queues


@blueprint.route("/conversations/<uuid:thread_id>/tag", methods=["GET", "POST"])
@member_required
def tag(thread_id: UUID) -> ResponseReturnValue:
    """Give it one; the page is for what was typed and is none."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    form = TaggingForm()
    if form.validate_on_submit() and records.accepts(form, lambda: _tag(thread, form.tag.data or "")):
        return _done(thread)
    page = render_template(
        "mail/tag.html", form=form, place=place_of_request(), thread=thread, vocabulary=vocabulary()
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.post("/conversations/<uuid:thread_id>/untag")
@member_required
def untag(thread_id: UUID) -> ResponseReturnValue:
    """Take one away."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    records.attempted(lambda: tagging.untag(g.member, [thread.id], request.form.get("tag", "")))
    return _done(thread)


def _tag(thread: Thread, typed: str) -> None:
    tagging.tag(g.member, [thread.id], typed, may_define=may_define_tags())


def _done(thread: Thread) -> ResponseReturnValue:
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)
