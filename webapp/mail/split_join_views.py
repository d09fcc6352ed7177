"""Which messages are one conversation, where people know better."""

from contextlib import suppress
from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes.access import demand_reply, readable_thread
from mailboxes.crm.history import member_names
from mailboxes.inbox import listing
from mailboxes.inbox.conversation import STATUSES
from mailboxes.inbox.selection import EVERYTHING, VIEWS, Selection
from mailboxes.inbox.split_and_join import Joining, held_joining, join, joining_of, split
from mailboxes.messages import Message
from mailboxes.search_terms import Query, Term, parse_query
from mailboxes.threads import Thread
from tenants.database import db
from tenants.errors import NotFoundError
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.forms import JoiningForm
from webapp.mail.place import place_of_request
from webapp.records import uuid_or_none
from webapp.versions import version_of
from workers import queues

MOST_OFFERED = 20  # others are found by searching


@blueprint.post("/messages/<uuid:message_id>/split")
@member_required
def split_off(message_id: UUID) -> ResponseReturnValue:
    """Make a conversation of its own of a message and those after it."""
    new = split(g.member, message_id)
    db.session.commit()
    return _shown(new, "It is a conversation of its own now. What comes after it came along.")


@blueprint.get("/conversations/<uuid:thread_id>/join")
@member_required
def choose_other(thread_id: UUID) -> ResponseReturnValue:
    """Find the other conversation; read what joining them does."""
    thread = readable_thread(g.member, thread_id)
    demand_reply(g.member, thread.mailbox_id)
    place = place_of_request()
    other_id = request.args.get("other", type=UUID)
    if other_id is not None:
        joining = joining_of(g.member, thread.id, other_id)
        form = JoiningForm(data={"other": other_id, "version": version_of(*joining.facts)})
        return _sure_page(thread, joining, form)
    query = parse_query(request.args["words"]) if "words" in request.args else _from_the_same(thread)
    others = _others(thread, query)
    if not others and "words" not in request.args:
        query = Query()
        others = _others(thread, query)
    return render_template("mail/join.html", place=place, thread=thread, words=str(query), others=others)


@blueprint.post("/conversations/<uuid:thread_id>/join")
@member_required
def join_other(thread_id: UUID) -> ResponseReturnValue:
    """Make one conversation of two."""
    form = JoiningForm()
    other_id = uuid_or_none(form.other.data)
    if other_id is None:
        raise NotFoundError
    try:
        joining = held_joining(g.member, thread_id, other_id)
    except NotFoundError:
        left = _one_that_is_left(thread_id, other_id)
        return _shown(left, "The other conversation is not here any more. It may be a part of this one.")
    if form.is_stale(*joining.facts):
        return _sure_page(readable_thread(g.member, thread_id), joining, form), 422
    joined = join(g.member, joining)
    db.session.commit()
    return _shown(joined, "The two are one conversation now.")


def _sure_page(thread: Thread, joining: Joining, form: JoiningForm) -> str:
    """What joining does, read before it is done."""
    names = member_names([joining.survivor.assignee_id, joining.loser.assignee_id])
    return render_template(
        "mail/join.html",
        place=place_of_request(),
        thread=thread,
        joining=joining,
        form=form,
        names=names,
        statuses=STATUSES,
    )


def _one_that_is_left(*ids: UUID) -> Thread:
    """Of two that somebody joins once more: the first time has made one of them."""
    for id in ids:
        with suppress(NotFoundError):
            return readable_thread(g.member, id)
    raise NotFoundError


def _shown(thread: Thread, words: str) -> ResponseReturnValue:
    queues.tell_pages(g.organization.id, thread.mailbox_id, "conversation")
    flash(words, "success")
    return redirect(place_of_request().url("mail.conversation", thread_id=thread.id), 303)


def _others(thread: Thread, query: Query) -> list[Thread]:
    """Other conversations of its mailbox, newest first."""
    selection = Selection(g.member, thread.mailbox_id, VIEWS[EVERYTHING], query)
    found = listing.page(selection, size=MOST_OFFERED + 1).rows
    others = [row.thread for row in found if row.thread is not None and row.thread.id != thread.id]
    return others[:MOST_OFFERED]


def _from_the_same(thread: Thread) -> Query:
    """What to look through first: the mail of whoever wrote last."""
    writer = (
        select(Message.sender_address)
        .where(Message.thread_id == thread.id, Message.direction == "in", Message.sender_address != "")
        .order_by(Message.shown_at.desc())
        .limit(1)
    )
    address = db.session.scalar(writer)
    return Query((Term("from", address),)) if address else Query()
