"""One conversation: shown, kept up to date, read, done."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import flash, g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.access import readable_thread
from mailboxes.conversion import links_of, offers_by_hand
from mailboxes.crm.contacts import contact_with_address
from mailboxes.inbox import read_state
from mailboxes.inbox.conversation import (
    STATUSES,
    Conversation,
    change_status,
    open_conversation,
)
from mailboxes.inbox.listing import Key
from mailboxes.inbox.snoozing import choices
from mailboxes.messages import Message
from mailboxes.threads.tags import tags_of, vocabulary
from tenants.configuration.layers import value_of
from tenants.database import db, now
from webapp.filters import zone
from webapp.guards import member_required
from webapp.mail.assigning_views import people_to_assign
from webapp.mail.blueprint import blueprint
from webapp.mail.composing import composer_of, undo_of
from webapp.mail.forms import NoteForm
from webapp.mail.list_views import after_done, back_to_list, shown_list
from webapp.mail.place import place_of_request, wants_part
from webapp.mail.presenting import MOST_EVENTS, count_events, latest_events, messages_of
from workers import queues

ALL_AT_ONCE = 500  # messages that "earlier messages" loads


@blueprint.get("/conversations/<uuid:thread_id>")
@member_required
def conversation(thread_id: UUID) -> ResponseReturnValue:
    """A conversation beside its list; for htmx alone."""
    shown = shown_conversation(thread_id)
    if wants_part("pane-main"):
        return render_template("mail/conversation_part.html", **shown)
    return render_template("mail/index.html", **{**shown_list(shown["place"], thread_id), **shown})


@blueprint.get("/conversations/<uuid:thread_id>/messages")
@member_required
def earlier_messages(thread_id: UUID) -> ResponseReturnValue:
    """The messages of a conversation with all the earlier ones, in the place of the newest alone."""
    shown = shown_conversation(thread_id, at_once=ALL_AT_ONCE)
    if wants_part("messages"):
        return render_template("mail/messages.html", **shown)
    return render_template("mail/index.html", **{**shown_list(shown["place"], thread_id), **shown})


@blueprint.get("/conversations/<uuid:thread_id>/news")
@member_required
def news(thread_id: UUID) -> ResponseReturnValue:
    """What has changed since the page was made, to be put into it; 304 if nothing has."""
    after = Key.of(request.args.get("after"))
    opened = open_conversation(g.member, thread_id)
    etag = fingerprint_of(opened)
    if etag in request.if_none_match:
        response = make_response("", 304)
    else:
        shown = shown_conversation(thread_id)
        newer = [
            one
            for one in opened.messages
            if after is not None and (one.message.shown_at, one.message.id) > (after.at, after.id)
        ]
        ids = {one.message.id for one in newer}
        shown["new_messages"] = [message for message in shown["messages"] if message["id"] in ids]
        noted = request.args.get("noted", "")
        shown["new_notes"] = {note.id for note in opened.notes if str(note.id) > noted}
        shown["changed_notes"] = {note.id for note in opened.notes if note.edited_at} - shown["new_notes"]
        shown["changed_messages"] = [
            message for message in shown["messages"] if message["outgoing"] and message["id"] not in ids
        ]
        incomplete = set(request.args.getlist("stub"))  # there, only the header of these was to be seen
        shown["redrawn_messages"] = [
            message
            for message in shown["messages"]
            if str(message["id"]) in incomplete and not message["problem"]
        ]
        response = make_response(render_template("mail/news.html", **shown))
    response.set_etag(etag)
    return response


@blueprint.post("/conversations/<uuid:thread_id>/read")
@member_required
def read(thread_id: UUID) -> ResponseReturnValue:
    """Note that the member has seen the messages up to one (``through``); the page asks for it by itself."""
    thread = readable_thread(g.member, thread_id)
    messages = read_state.messages_of_threads([thread.id])
    through = Key.of(request.form.get("through"))
    if through is not None:
        messages = messages.where(Message.id <= through.id)
    changed = read_state.mark_read(g.member, messages)
    db.session.commit()
    if request.headers.get("HX-Request") != "true":
        return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)
    response = make_response("", 204)
    if changed:
        response.headers["HX-Trigger"] = "postroom:read"
    return response


@blueprint.post("/conversations/<uuid:thread_id>/unread")
@member_required
def unread(thread_id: UUID) -> ResponseReturnValue:
    """Make the newest message that came in new again, and go back to the list."""
    thread = readable_thread(g.member, thread_id)
    newest = (
        select(Message.id)
        .where(Message.thread_id == thread.id, Message.direction == "in")
        .order_by(Message.shown_at.desc(), Message.id.desc())
        .limit(1)
    )
    read_state.mark_unread(g.member, select(Message).where(Message.id.in_(newest)))
    db.session.commit()
    return back_to_list()


@blueprint.post("/conversations/<uuid:thread_id>/status")
@member_required
def status(thread_id: UUID) -> ResponseReturnValue:
    """Open it, let it wait, be done with it."""
    thread = readable_thread(g.member, thread_id)
    chosen = request.form.get("status", "")
    goes_to = after_done(thread)
    change_status(g.member, [thread.id], chosen)
    db.session.commit()
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    flash(f"“{thread.subject or 'The conversation'}” is {STATUSES[chosen].lower()} now.", "success")
    if chosen == "open":
        return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)
    return redirect(goes_to(), 303)


def shown_conversation(thread_id: UUID, *, at_once: int = 30) -> dict[str, Any]:
    """All that the right pane shows."""
    place = place_of_request()
    opened = open_conversation(g.member, thread_id, at_once=at_once)
    last = opened.messages[-1].message if opened.messages else None
    images_of = request.args.get("images", "")
    messages = messages_of(opened, images_of)
    return {
        "place": place,
        "conversation": opened,
        "thread": opened.thread,
        "messages": messages,
        "answered": answered_of(messages),
        "events": latest_events(opened),
        "has_earlier_events": count_events(opened.messages) > MOST_EVENTS,
        "records": links_of(opened.thread.id),
        "conversions": offers_by_hand(opened.thread.id, g.member),
        **people_to_assign(opened.mailbox),
        "statuses": STATUSES,
        "snoozes": choices(now().astimezone(zone())),
        "tags": tags_of([opened.thread.id]).get(opened.thread.id, []),
        "vocabulary": vocabulary(),
        "customer": _customer(opened),
        "reply_first": value_of("mail.reply_button", user=g.user),
        "newest_key": Key(last.shown_at, last.id) if last else None,
        "through": Key(last.shown_at, max(one.message.id for one in opened.messages)) if last else None,
        "conversation_etag": fingerprint_of(opened),
        "note_form": NoteForm(formdata=None),
        "last_note": opened.notes[-1].id if opened.notes else None,
        "composer": composer_of(opened, request.args.get("draft", "")),
        "undo": undo_of(request.args.get("sent", "")),
    }


def answered_of(messages: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The message that keys answer: the last by a person, else the last but what our own robot said."""
    written = [message for message in messages if message["kind"] != "automatic"] or messages
    by_people = [message for message in written if not message["is_automatic"]]
    return next(reversed(by_people or written), None)


def fingerprint_of(opened: Conversation) -> str:
    """Changes whenever the page of a conversation would."""
    facts = [
        (g.member.id, opened.thread.id, opened.thread.status, opened.thread.assignee_id),
        (opened.thread.is_snoozed, opened.thread.snoozed_until),
        [(tag.name, tag.colour) for tag in tags_of([opened.thread.id]).get(opened.thread.id, [])],
        [record.id for record in links_of(opened.thread.id)],
        [(part.id, part.subject) for part in opened.parts],
        [(note.id, note.edited_at) for note in opened.notes],
        *(
            (one.message.id, len(one.events), one.outgoing.state if one.outgoing else "", one.message.box)
            for one in opened.messages
        ),
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _customer(opened: Conversation) -> dict[str, Any] | None:
    """Which person wrote last, else which program; with the contact, for whoever may see contacts."""
    received = [one.message for one in opened.messages if one.message.direction == "in"]
    written = [message for message in received if message.sender_address]
    last = next(reversed([message for message in written if not message.is_automatic] or written), None)
    if last is None:
        return None
    contact = contact_with_address(last.sender_address) if "contact.view" in g.permissions else None
    return {"name": last.sender_name, "address": last.sender_address, "contact": contact}
