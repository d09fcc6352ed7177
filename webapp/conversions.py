"""A conversation becomes a lead or a case by hand."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.access import readable_thread
from mailboxes.conversion import convert_conversation
from tenants.database import db
from webapp.guards import member_required
from workers import queues

blueprint = Blueprint("conversions", __name__, url_prefix="/conversions")


@blueprint.post("/<uuid:thread_id>")
@member_required
def convert(thread_id: UUID) -> ResponseReturnValue:
    """Make a record of the kind that the form names; which right that takes, the kind says."""
    thread = readable_thread(g.member, thread_id)
    record = convert_conversation(thread.id, request.form.get("kind", ""), g.member)
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    flash(" ".join((f"“{record.label}” was made.", *record.notes)), "success")
    return redirect(url_for("mail.conversation", thread_id=thread.id), 303)
