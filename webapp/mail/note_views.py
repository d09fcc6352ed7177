"""Notes for colleagues: written on a conversation, changed and removed by who wrote them."""

from uuid import UUID

from flask import flash, g, redirect, render_template
from flask.typing import ResponseReturnValue

from mailboxes.access import readable_thread
from mailboxes.crm.remarks import demand_author
from mailboxes.inbox.conversation import change_note, readable_note, remove_note
from mailboxes.inbox.conversation import note as write_note
from mailboxes.threads import Thread
from tenants.database import db
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.conversation_views import shown_conversation
from webapp.mail.forms import NoteForm
from webapp.mail.list_views import shown_list
from webapp.mail.place import place_of_request
from workers import queues


@blueprint.post("/conversations/<uuid:thread_id>/notes")
@member_required
def note(thread_id: UUID) -> ResponseReturnValue:
    """Write something for colleagues on it; whoever may read it may do so."""
    thread, form = readable_thread(g.member, thread_id), NoteForm()
    if not form.validate_on_submit():
        shown = {**shown_conversation(thread_id), "note_form": form}
        return render_template("mail/index.html", **{**shown_list(shown["place"], thread_id), **shown}), 422
    written = write_note(g.member, thread_id, form.text.data or "")
    db.session.commit()
    return _shown(thread, written.id)


@blueprint.route("/notes/<uuid:note_id>", methods=["GET", "POST"])
@member_required
def edit_note(note_id: UUID) -> ResponseReturnValue:
    """Write one's own note anew, or remove it."""
    found, thread = readable_note(g.member, note_id)
    demand_author(found, g.member)
    form = NoteForm(obj=found)
    if form.validate_on_submit():
        change_note(g.member, note_id, form.text.data or "")
        db.session.commit()
        return _shown(thread, note_id)
    place = place_of_request()
    page = render_template(
        "records/remark.html",
        noun="note",
        form=form,
        way=_way(thread, note_id),
        remove_url=place.url("mail.remove_own_note", note_id=note_id),
    )
    return page, 422 if form.errors else 200


@blueprint.get("/notes/<uuid:note_id>/remove")
@member_required
def ask_to_remove_note(note_id: UUID) -> ResponseReturnValue:
    """What removing one's own note does."""
    found, thread = readable_note(g.member, note_id)
    demand_author(found, g.member)
    return render_template(
        "records/remove_remark.html",
        noun="note",
        remark=found,
        keeps="The timeline says that there was one",
        way=_way(thread, note_id),
        back_url=place_of_request().url("mail.edit_note", note_id=note_id),
    )


@blueprint.post("/notes/<uuid:note_id>/remove")
@member_required
def remove_own_note(note_id: UUID) -> ResponseReturnValue:
    """Take one's own note away."""
    thread = remove_note(g.member, note_id)
    db.session.commit()
    flash("Your note is removed.", "success")
    return _shown(thread)


def _shown(thread: Thread, note_id: UUID | None = None) -> ResponseReturnValue:
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    return redirect(_url_of(thread, note_id), 303)


def _way(thread: Thread, note_id: UUID) -> list[tuple[str, str]]:
    here = (thread.subject or "(no subject)", _url_of(thread, note_id))
    return [("My Emails", place_of_request().url()), here]


def _url_of(thread: Thread, note_id: UUID | None) -> str:
    anchor = f"message-{note_id}" if note_id else None
    return place_of_request().url("mail.conversation", thread_id=thread.id, anchor=anchor)
