"""Writing: answers, forwards and new messages, kept on the server until they are sent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes import drafts, outgoing
from mailboxes.access import readable_message, readable_thread
from mailboxes.crm.contacts import suggestions
from mailboxes.drafts import ConversationMovedOnError, Draft
from mailboxes.inbox.conversation import change_status
from mailboxes.replies import Person
from tenants.configuration.layers import value_of
from tenants.database import db
from tenants.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from webapp.choosing import is_searching, searched
from webapp.filters import short_time
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.composing import draft_of_member, sender_options, shown_draft
from webapp.mail.conversation_views import shown_conversation
from webapp.mail.forms import DraftForm
from webapp.mail.list_views import after_done, shown_list
from webapp.mail.place import place_of_request
from workers import queues

THEN = ("waiting", "done")  # what a conversation may be once it is answered


@blueprint.post("/messages/<uuid:message_id>/answer")
@member_required
def answer(message_id: UUID) -> ResponseReturnValue:
    """Begin an answer (``kind``: reply, reply_all, forward), or go on with the one that was begun."""
    draft = drafts.begin_answer(g.member, message_id, request.form.get("kind", "reply"))
    db.session.commit()
    return redirect(_url_of(draft), 303)


@blueprint.post("/drafts")
@member_required
def begin() -> ResponseReturnValue:
    """Begin a message, from the mailbox that is looked at or the first that may be written from."""
    possible = sender_options("", request.args.get("mailbox", ""))
    if not possible:
        raise ForbiddenError(
            "You may not send from any mailbox. Ask an administrator for the right to reply."
        )
    named = [id for id, _ in possible if id == request.args.get("mailbox")]
    draft = drafts.begin_message(g.member, _id(named[0] if named else possible[0][0]))
    db.session.commit()
    return redirect(_url_of(draft), 303)


@blueprint.get("/drafts/<uuid:draft_id>")
@member_required
def draft(draft_id: UUID) -> ResponseReturnValue:
    """A draft: a new message beside the list, an answer in its conversation."""
    found = draft_of_member(draft_id)
    if found.thread_id:
        return redirect(_url_of(found))
    return _page(found)


@blueprint.post("/drafts/<uuid:draft_id>")
@member_required
def save(draft_id: UUID) -> ResponseReturnValue:
    """Keep what is typed; the page asks for it with every change."""
    found, form = _typed_into(draft_id)
    try:
        _keep(found, form)
    except InvalidError as error:
        return _refused(found, form, error)
    db.session.commit()
    if is_searching():
        return _page(found, form)
    if request.headers.get("HX-Request") == "true":
        return render_template("mail/draft_state.html", words=f"Draft saved {short_time(found.updated_at)}")
    return redirect(_url_of(found), 303)


@blueprint.post("/drafts/<uuid:draft_id>/files")
@member_required
def add_files(draft_id: UUID) -> ResponseReturnValue:
    """Add files to a draft, and keep what is typed."""

    def attach(found: Draft, form: DraftForm) -> None:
        for file in form.files.data or ():
            if file and file.filename:
                drafts.attach(found, file.filename, file.mimetype or "", file.read())

    return _change(draft_id, attach)


@blueprint.post("/drafts/<uuid:draft_id>/files/<uuid:file_id>/remove")
@member_required
def remove_file(draft_id: UUID, file_id: UUID) -> ResponseReturnValue:
    """Take a file away again."""
    return _change(draft_id, lambda found, _: drafts.detach(found, file_id))


@blueprint.post("/drafts/<uuid:draft_id>/signature")
@member_required
def add_signature(draft_id: UUID) -> ResponseReturnValue:
    """Put the signature under what is typed."""

    def sign(found: Draft, _: DraftForm) -> None:
        found.body = found.body.rstrip() + drafts.signature_of(g.member, found.mailbox_id)

    return _change(draft_id, sign)


@blueprint.post("/drafts/<uuid:draft_id>/template")
@member_required
def use_template(draft_id: UUID) -> ResponseReturnValue:
    """Put a template's text before what is typed."""
    chosen = request.form.get("template", "")

    def fill_in(found: Draft, _: DraftForm) -> None:
        hidden = drafts.use_template(g.member, found, _id(chosen))
        if hidden:
            flash(
                f"The template speaks of the {' and the '.join(hidden)}, which you may not see: that stays "
                "empty. Read the text before you send it.",
                "warning",
            )

    return _change(draft_id, fill_in)


@blueprint.post("/drafts/<uuid:draft_id>/discard")
@member_required
def discard(draft_id: UUID) -> ResponseReturnValue:
    """Throw a draft away."""
    found = draft_of_member(draft_id)
    thread_id = found.thread_id
    drafts.discard(found)
    db.session.commit()
    flash("The draft was discarded.", "info")
    place = place_of_request()
    return redirect(place.url("mail.conversation", thread_id=thread_id) if thread_id else place.url(), 303)


@blueprint.post("/drafts/<uuid:draft_id>/send")
@member_required
def send(draft_id: UUID) -> ResponseReturnValue:
    """Send it, unless something is wrong or the conversation has moved on; then keep it and say so."""
    found, form = drafts.draft_to_send(g.member, draft_id), DraftForm()
    leaves = _leaves(found)
    try:
        queued = _queued(found, form)
    except InvalidError as error:
        return _refused(found, form, error)
    except ConflictError as error:
        drafts.show_news(found)
        db.session.commit()
        return _page(found, form, problem=error), int(error.status)
    _then(found, request.form.get("then", ""))
    db.session.commit()
    queues.ring_outgoing(g.organization.id)
    queues.tell_pages(g.organization.id, found.mailbox_id, "conversation")
    if leaves is not None:
        return redirect(leaves(sent=queued.id), 303)
    sent_in = readable_message(g.member, queued.message_id).thread_id
    place = place_of_request()
    anchor = f"message-{queued.message_id}"
    return redirect(place.url("mail.conversation", thread_id=sent_in, sent=queued.id, anchor=anchor), 303)


@blueprint.post("/outgoing/<uuid:outgoing_id>/take-back")
@member_required
def take_back(outgoing_id: UUID) -> ResponseReturnValue:
    """Undo a sending; the draft is back, whole."""
    found = drafts.take_back(g.member, outgoing_id)
    db.session.commit()
    queues.tell_pages(g.organization.id, found.mailbox_id, "conversation")
    flash("Nothing was sent. Your draft is back.", "success")
    return redirect(_url_of(found), 303)


@blueprint.post("/messages/<uuid:message_id>/send-again")
@member_required
def send_again(message_id: UUID) -> ResponseReturnValue:
    """Send once more what may have been sent: a person's decision, never a robot's."""
    message = readable_message(g.member, message_id)
    outgoing.send_again(g.member, message)
    db.session.commit()
    queues.ring_outgoing(g.organization.id)
    flash("It is sent again, with the same Message-ID: most receivers keep only one of both.", "info")
    place = place_of_request()
    anchor = f"message-{message.id}"
    return redirect(place.url("mail.conversation", thread_id=message.thread_id, anchor=anchor), 303)


@blueprint.get("/senders")
@member_required
def senders() -> ResponseReturnValue:
    """The mailboxes that a new message can be sent from, after something was typed to find one."""
    chosen = request.args.get("mailbox", "")
    options = sender_options(searched("mailbox"), chosen)
    return render_template("components/_options.html", choices=options, chosen=chosen)


@blueprint.get("/people")
@member_required
def people() -> ResponseReturnValue:
    """Known people for a field of recipients, after what is typed there before the last comma."""
    typed = next((request.args[name] for name in ("to", "cc", "bcc", "q") if request.args.get(name)), "")
    before, comma, last = typed.rpartition(",")
    options = []
    may_see = "contact.view" in g.permissions
    if may_see and len(last.strip()) >= int(value_of("mail.autocomplete_characters")):
        start = f"{before}{comma} ".lstrip() if comma else ""
        options = [f"{start}{Person(name, address)}" for name, address in suggestions(last.strip())]
    return render_template("mail/people.html", options=options)


def _typed_into(draft_id: UUID) -> tuple[Draft, DraftForm]:
    return draft_of_member(draft_id), DraftForm()


def _queued(found: Draft, form: DraftForm) -> outgoing.Outgoing:
    """Keep what is typed, and send it. Pressed again, what is sent stays as it is: the same letter."""
    if found.outgoing_id is None:
        _keep(found, form)
    return drafts.send(g.member, found)


def _keep(found: Draft, form: DraftForm) -> None:
    drafts.save(found, form.typed())
    if form.mailbox.data and form.mailbox.data != str(found.mailbox_id):
        drafts.change_mailbox(g.member, found, _id(form.mailbox.data))


def _change(draft_id: UUID, change: Callable[[Draft, DraftForm], None]) -> ResponseReturnValue:
    """Keep what is typed, change something else of the draft, and show it again."""
    found, form = _typed_into(draft_id)
    try:
        _keep(found, form)
        change(found, form)
    except InvalidError as error:
        return _refused(found, form, error)
    db.session.commit()
    return redirect(_url_of(found), 303)


def _refused(found: Draft, form: DraftForm, error: InvalidError) -> ResponseReturnValue:
    """The page again with the error at its field; what was typed is kept, here and on the server."""
    db.session.commit()
    field = form[error.field if error.field and error.field in form else "body"]
    field.errors = [*field.errors, error.message]
    return _page(found, form), int(error.status)


def _page(found: Draft, form: DraftForm | None = None, problem: ConflictError | None = None) -> str:
    if form is not None and not form.mailbox.data:
        form.mailbox.data = str(found.mailbox_id)
    has_moved_on = isinstance(problem, ConversationMovedOnError)
    title = "The conversation moved on" if has_moved_on else "Nothing was sent"
    composer = {
        **shown_draft(found, form),
        "problem": {"title": title, "text": problem.message} if problem else None,
    }
    if found.thread_id is None:
        place = place_of_request()
        return render_template("mail/index.html", **shown_list(place, found.id), composer=composer)
    shown: dict[str, Any] = shown_conversation(found.thread_id)
    shown["composer"] = composer
    return render_template("mail/index.html", **{**shown_list(shown["place"], found.thread_id), **shown})


def _url_of(found: Draft) -> str:
    place = place_of_request()
    if found.thread_id is None:
        return place.url("mail.draft", draft_id=found.id)
    return place.url("mail.conversation", thread_id=found.thread_id, draft=found.id, anchor="composer")


def _leaves(found: Draft) -> Callable[..., str] | None:
    """Where to go from here; None where the conversation stays in view, so that one sees what was sent."""
    if found.thread_id is None or request.form.get("then") not in THEN:
        return None
    return after_done(readable_thread(g.member, found.thread_id))


def _then(found: Draft, status: str) -> None:
    if found.thread_id and status in THEN:
        change_status(g.member, [found.thread_id], status)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError from None
