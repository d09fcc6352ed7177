"""The list of conversations, what is done to many of them, and the unread menu."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from flask import g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, select

from mailboxes import drafts
from mailboxes.access import readable_ids
from mailboxes.inbox import conversation, listing, read_state, snoozing, tagging
from mailboxes.inbox.saved_views import counts_of, saved_views
from mailboxes.inbox.selection import DRAFTS, UNREAD, VIEWS, Selection
from mailboxes.messages import Message
from mailboxes.search_terms import Query, Term
from mailboxes.setup.delays import MOST_FOUND, Delay, Recovery, delays, recoveries
from mailboxes.threads import Thread
from mailboxes.threads.tags import vocabulary
from tenants.configuration.layers import value_of
from tenants.database import db, now
from webapp import records
from webapp.filters import zone
from webapp.guards import member_required
from webapp.mail.blueprint import blueprint
from webapp.mail.composing import undo_of
from webapp.mail.mailboxes_views import listed_mailboxes, selector_of
from webapp.mail.moments import moment_of
from webapp.mail.place import Place, place_of_request, wants_part
from webapp.mail.presenting import counted, row_of_list, saved_views_of, views_of
from workers import queues

MOST_IN_MENU = 8
MOST_SELECTED = 200
MOST_DELAYS = 3  # told one by one


@blueprint.get("/")
@member_required
def index() -> ResponseReturnValue:
    """My Emails: a mailbox or all of them, in a view, as far as a search goes."""
    place = place_of_request()
    shown = shown_list(place)
    if wants_part("list"):
        return _unless_known(shown["fingerprint"], "mail/list_part.html", shown)
    return render_template("mail/index.html", **shown, undo=undo_of(request.args.get("sent", "")))


@blueprint.post("/bulk")
@member_required
def bulk() -> ResponseReturnValue:
    """Do with the ticked rows: read, unread, open, waiting, done, mine, nobodys, discard, snooze, tag."""
    ids = [UUID(text) for text in request.form.getlist("selected")[:MOST_SELECTED] if _is_id(text)]
    mailbox_ids: list[UUID] = []
    records.attempted(lambda: mailbox_ids.extend(_do_with_selected(ids)))
    db.session.commit()
    for mailbox_id in mailbox_ids:
        queues.tell_pages(g.organization.id, mailbox_id, "conversation")
    return redirect(place_of_request().url(), 303)


@blueprint.get("/unread-count")
@member_required
def unread_count() -> ResponseReturnValue:
    """The number in the header: of the mailboxes that the member follows."""
    number = read_state.unread_count(g.member, is_of_followed=True)
    return _unless_known(
        str(number), "mail/unread_count.html", {"number": counted(number), "is_any": number > 0}
    )


@blueprint.get("/unread-menu")
@member_required
def unread_menu() -> ResponseReturnValue:
    """The newest unread conversations of followed mailboxes, for the menu in the header."""
    selection = Selection(g.member, view=VIEWS[UNREAD], is_of_followed=True)
    page = listing.page(selection, size=MOST_IN_MENU)
    rows = [row_of_list(row, Place()) for row in page.rows]
    return render_template("mail/unread_menu.html", rows=rows)


def shown_list(place: Place, current: UUID | None = None) -> dict[str, Any]:
    """All that the left pane and the list show, in a number of queries that does not depend on the rows."""
    selection = place.selection
    is_threaded = bool(value_of("mail.threaded"))
    page = listing.page(
        selection,
        size=int(value_of("mail.page_size", user=g.user)),
        before=place.before,
        after=place.after,
        is_threaded=is_threaded,
    )
    mailboxes = listed_mailboxes(place)
    counts = listing.counts(selection, [one.id for one in mailboxes.found])
    kept = db.session.scalars(saved_views(g.member)).all()
    saved = saved_views_of(place, kept, counts_of(kept, g.member))
    late, back = _news_of_mailboxes(place)
    snoozes = snoozing.choices(now().astimezone(zone()))
    rows = [row_of_list(row, place, current) for row in page.rows]
    return {
        "place": place,
        "rows": rows,
        "vocabulary": vocabulary(),
        "snoozes": snoozes,
        "is_soonest_first": is_threaded and place.view.is_soonest_first,
        "row_kind": "drafts" if place.view.name == DRAFTS else "threads" if is_threaded else "messages",
        "older_url": place.url(before=page.older, after=None) if page.older else None,
        "newer_url": place.url(after=page.newer, before=None) if page.newer else None,
        "first_url": place.of().url() if place.before or place.after else None,
        "is_cut": page.is_cut,
        "views": views_of(place, counts),
        "saved_views": saved,
        "list_title": next((one["label"] for one in saved if one["is_current"]), place.view.label),
        "save_url": _save_url(place, saved),
        **selector_of(place, mailboxes, counts),
        "delays": late[:MOST_DELAYS],
        "more_delays": len(late[MOST_DELAYS:]),
        "has_yet_more_delays": len(late) == MOST_FOUND,
        "recoveries": back[:MOST_DELAYS],
        "chips": [_chip(place, term) for term in place.query.terms],
        "search_query": str(place.query),
        "everywhere_url": place.of(mailbox_id=None, view=VIEWS["all"]).url(),
        "cleared_url": place.of(query=Query()).url(),
        "fingerprint": _fingerprint(rows, counts, saved, snoozes, [*late, *back]),
    }


def _save_url(place: Place, saved: list[dict[str, Any]]) -> str | None:
    """Where this search, or mailbox, is kept under a name, unless it is."""
    is_new = not any(one["is_current"] for one in saved)
    return place.of().url("mail.new_view") if is_new and (place.query or place.mailbox_id) else None


def _chip(place: Place, term: Term) -> dict[str, str]:
    """One term of the search, and the way to do without it."""
    url = place.of(query=place.query.without(term)).url()
    return {"name": term.name or "words", "value": term.value, "url": url}


def _news_of_mailboxes(place: Place) -> tuple[list[Delay], list[Recovery]]:
    """Those of this list that are not read at the moment, and those that are read again."""
    may_manage = "mailbox.manage" in g.permissions
    here = place.mailbox_id
    return (
        delays(g.member, may_manage=may_manage, mailbox_id=here),
        recoveries(g.member, may_manage=may_manage, mailbox_id=here),
    )


def _unless_known(fingerprint: str, template: str, values: dict[str, Any]) -> ResponseReturnValue:
    """The part, or 304 where the page has it already: what polls costs next to nothing."""
    etag = hashlib.sha256(f"{g.organization.id} {g.member.id} {fingerprint}".encode()).hexdigest()[:32]
    if etag in request.if_none_match:
        response = make_response("", 304)
    else:
        response = make_response(render_template(template, etag=etag, **values))
    response.set_etag(etag)
    return response


def _fingerprint(rows: list[dict[str, Any]], *others: object) -> str:
    return repr(([sorted((name, str(value)) for name, value in row.items()) for row in rows], others))


def _do_with_selected(ids: list[UUID]) -> list[UUID]:
    """Returns the mailboxes that changed for everybody."""
    what, kind = request.form.get("do", ""), request.form.get("rows", "")
    if kind == "drafts":
        for draft in db.session.scalars(drafts.own_drafts(g.member).where(drafts.Draft.id.in_(ids))):
            if what == "discard":
                drafts.discard(draft)
        return []
    messages = _selected_messages(kind, ids)
    if what in ("read", "unread"):
        (read_state.mark_read if what == "read" else read_state.mark_unread)(g.member, messages)
        return []
    threads = list(db.session.scalars(messages.with_only_columns(Message.thread_id).distinct()))
    _do_with_threads(what, threads)
    return list(db.session.scalars(messages.with_only_columns(Message.mailbox_id).distinct()))


def _do_with_threads(what: str, threads: list[UUID]) -> None:
    what, _, moment = what.partition(" ")
    if what == "snooze":
        snoozing.snooze(g.member, threads, moment_of(moment))
    elif what == "tag":
        tagging.tag(g.member, threads, request.form.get("tag", ""), may_define=may_define_tags())
    elif what == "untag":
        tagging.untag(g.member, threads, request.form.get("tag", ""))
    elif what in conversation.STATUSES:
        conversation.change_status(g.member, threads, what)
    elif what in ("mine", "nobodys"):
        conversation.assign(g.member, threads, g.member.id if what == "mine" else None)


def _selected_messages(kind: str, ids: list[UUID]) -> Select[Message]:
    readable = Message.mailbox_id.in_(readable_ids(g.member))
    if kind == "messages":
        return select(Message).where(Message.id.in_(ids), readable)
    return read_state.messages_of_threads(ids).where(readable)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def after_done(thread: Thread) -> Callable[..., str]:
    """What is shown once a conversation is done, as the member likes: a URL, to be asked for before that."""
    place = place_of_request()
    if value_of("mail.after_done", user=g.user) == "next" and value_of("mail.threaded"):
        below = listing.conversation_below(place.selection, thread)
        if below is not None:
            return partial(place.url, "mail.conversation", thread_id=below)
    return place.url


def may_define_tags() -> bool:
    """Whether a word that nobody has used yet becomes a tag."""
    return "mail.organize" in g.permissions


def back_to_list() -> ResponseReturnValue:
    """To the list that the request came from."""
    return redirect(place_of_request().url(), 303)
