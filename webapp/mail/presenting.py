"""Rows, messages and events as the components of ``templates/components/mail.html`` take them."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any
from uuid import UUID

from flask import g, url_for
from markupsafe import Markup

from mailboxes.classifying import is_forged
from mailboxes.inbox.content import LARGEST_THUMBNAIL, is_picture
from mailboxes.inbox.conversation import Conversation, Opened
from mailboxes.inbox.listing import Counts
from mailboxes.inbox.read_state import MOST_COUNTED
from mailboxes.inbox.rows import Row
from mailboxes.inbox.saved_views import SavedView
from mailboxes.inbox.selection import DRAFTS, VIEWS
from mailboxes.intake.held import Held, held_of_messages, without_place
from mailboxes.messages import Attachment, Message
from mailboxes.outgoing import Outgoing
from mailboxes.quoting import split
from mailboxes.sanitizing import plain_text_to_html
from mailboxes.subjects import base_subject, is_about_another
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.notes import Note
from mailboxes.timeline import PART, Event, reason_told, unseen_kind
from tenants.configuration.layers import value_of
from webapp.filters import absolute_time
from webapp.mail.place import Place, place_of_request, place_of_view

LONGEST_TEXT = 100_000  # characters of a plain message that a page shows
LONGER = Markup(
    '<p class="muted">This message is longer than what is shown. The original holds all of it.</p>'
)
MOST_EVENTS = 15
QUOTED_BEGINNING = 40  # characters by which the beginning of a quotation is found again
TEASER = 160  # characters of a folded note
STUB_UNDER_WAY = "Only its header is here. The rest is being fetched."
STUB_OF_ANOTHER = "Only its header is here. Fetched whole, it was a message that was here already."
STUB_OF_SYSTEM = (
    "Only its header is here: it is too large, or the mail server does not hand it out. The system's"
    " administrators see why, and may be able to fetch it anyway."
)
_STAGES = {
    "stored": ("Stored", "database"),
    "fetched": ("Fetched", "download"),
    "parsed": ("Read", "file-text"),
    "classified": ("Classified", "filter"),
    "routed": ("Routed", "arrow-right"),
    "threaded": ("Put into a conversation", "merge"),
    "converted": ("Converted", "target"),
    "rules": ("Auto-response rules", "zap"),
    "queued": ("Queued", "clock"),
    "sent": ("Sent", "send"),
    "filed": ("Filed", "folder"),
    "removed": ("Removed on the server", "trash-2"),
    "changed": ("Changed", "pencil"),
}
_STATES = {
    "ready": ("neutral", "Queued"),
    "claimed": ("neutral", "Sending"),
    "committing": ("neutral", "Sending"),
    "sent": ("ok", "Sent"),
    "failed": ("bad", "Not sent"),
    "unknown": ("warn", "May have been sent"),
    "cancelled": ("neutral", "Taken back"),
}
_KINDS = (("image/", "image"), ("application/pdf", "pdf"), ("text/", "text"))
_SHEETS = ("spreadsheet", "excel", "csv")
_ARCHIVES = ("zip", "tar", "compressed", "rar", "gzip")


def row_of_list(row: Row, place: Place, current: Any = None) -> dict[str, Any]:
    """One line of a list."""
    thread = row.thread
    return {
        "id": row.id,
        "url": _url_of_row(row, place),
        "is_current": current is not None and current in (row.id, thread.id if thread else None),
        "is_unread": row.is_unread,
        "senders": _senders(row),
        "message_count": thread.message_count if thread and not row.message_id and not row.draft_id else 0,
        "at": row.at,
        "subject": row.subject,
        "teaser": row.teaser,
        "mailbox": "" if place.mailbox_id else row.mailbox_label,
        "assignee": row.assignee,
        "tags": [{"name": tag.name, "colour": tag.colour} for tag in row.tags],
        "has_attachment": row.has_attachments,
        "record": {"kind": row.records[0].capitalize()} if row.records else None,
        "is_auto_replied": bool(thread and thread.is_auto_replied),
        "is_draft": row.has_draft,
        "has_note": row.has_note,
        "is_done": bool(thread and thread.status == "done" and place.view.name != "done"),
        "is_waiting": bool(thread and thread.status == "waiting" and place.view.name != "waiting"),
        "snoozed_until": thread.snoozed_until if thread and thread.is_snoozed else None,
        "is_back": bool(thread and thread.is_back),
        "is_new_sender": row.is_from_new_sender,
        "is_removed": row.is_removed,
    }


def views_of(place: Place, counts: Counts) -> list[dict[str, Any]]:
    """The views of the left pane, with their numbers."""
    return [
        {
            "label": view.label,
            "icon": view.icon,
            "url": Place(place.mailbox_id, view).url(),
            "is_current": view.name == place.view.name and not place.query,
            "count": counted(counts.views.get(view.name, 0)),
            "count_label": _counted_in(view.name, counts.views.get(view.name, 0)),
            "key": view.key,
        }
        for view in VIEWS.values()
    ]


def saved_views_of(place: Place, views: Sequence[SavedView], counts: dict[UUID, int]) -> list[dict[str, Any]]:
    """The saved views of the left pane, with the numbers of those that are counted."""
    return [
        {
            "label": view.name,
            "icon": "users" if view.is_shared else "bookmark",
            "url": place_of_view(view).url(),
            "is_current": place_of_view(view) == place.of(),
            "count": counted(counts.get(view.id, 0)),
            "count_label": _counted_in(view.view, counts.get(view.id, 0)),
            "key": "",
        }
        for view in views
    ]


def _counted_in(view: str, number: int) -> str:
    noun = "draft" if view == DRAFTS else "conversation"
    return noun if number == 1 else f"{noun}s"


def mailboxes_of(
    place: Place, mailboxes: Sequence[Mailbox], counts: Counts | None = None
) -> list[dict[str, Any]]:
    """The selector: all mailboxes, then each; with what is unread where that was counted."""
    unread = counts.mailboxes if counts is not None else {}
    every = {
        "label": "All my mailboxes",
        "url": Place(None, place.view).url(),
        "is_current": place.mailbox_id is None,
        "count": counted(counts.unread if counts is not None else 0),
    }
    return [
        every,
        *(
            {
                "label": mailbox.label,
                "address": mailbox.address,
                "url": Place(mailbox.id, place.view).url(),
                "is_current": mailbox.id == place.mailbox_id,
                "count": counted(unread.get(mailbox.id, 0)),
            }
            for mailbox in mailboxes
        ),
    ]


def counted(number: int) -> Any:
    """A number for people; counting stops at a thousand."""
    return number if number < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


def _notes_by_message(conversation: Conversation) -> dict[UUID, list[Note]]:
    """Each note below the last message before it."""
    below: dict[UUID, list[Note]] = {}
    ids = [(one.message.shown_at, one.message.id) for one in conversation.messages]
    for note in conversation.notes:
        earlier = [id for at, id in ids if at <= note.written_at] or [ids[0][1]]
        below.setdefault(earlier[-1], []).append(note)
    return below


def _note(note: Note, *, is_folded: bool) -> dict[str, Any]:
    return {
        "id": note.id,
        "kind": "note",
        "sender": note.author_name,
        "at": note.written_at,
        "text": _text_with_links(note.text),
        "teaser": " ".join(note.text[:TEASER].split()),
        "is_folded": is_folded,
        "edited_at": note.edited_at,
        "is_own": note.author_id == g.member.id,
    }


def messages_of(conversation: Conversation, images_of: str = "") -> list[dict[str, Any]]:
    """The messages of a conversation. ``images_of``: id of the one whose remote images are wanted."""
    shows_all = value_of("mail.remote_images") == "always"
    stubs = [one.message.id for one in conversation.messages if one.message.is_stub]
    held = held_of_messages(stubs) if stubs else {}
    others = without_place(stubs) if stubs else set()
    notes = _notes_by_message(conversation)
    return [
        {
            **_message(one, conversation, shows_images=shows_all or images_of == str(one.message.id)),
            "problem": {"text": STUB_OF_ANOTHER, "fetch_url": ""}
            if one.message.id in others
            else _problem(one.message, held.get(one.message.id), conversation.mailbox),
            "notes": [_note(note, is_folded=one.is_folded) for note in notes.get(one.message.id, ())],
        }
        for one in conversation.messages
    ]


def _message(opened: Opened, conversation: Conversation, *, shows_images: bool) -> dict[str, Any]:
    message = opened.message
    shown: dict[str, Any] = {
        "id": message.id,
        "kind": _kind(opened),
        "sender": opened.author or message.sender_name or message.sender_address,
        "address": message.sender_address,
        "recipients": _recipients(message),
        "at": message.shown_at,
        "teaser": message.teaser,
        "is_folded": opened.is_folded,
        "is_new_sender": message.is_from_new_sender,
        "removed_at": message.removed_on_server_at,
        "authentication": _authentication(message, conversation.mailbox),
        "attachments": [_attachment(message, one) for one in opened.attachments if not one.is_inline],
        "attachments_url": url_for("mail.attachments_as_zip", message_id=message.id),
        "state": _state(opened.outgoing),
        "details": _details(message),
        "events": [event_of(event, parts=conversation.parts) for event in opened.events],
        "outgoing": opened.outgoing,
        "is_automatic": message.is_automatic and message.direction == "in",
    }
    if message.has_html:
        shown["frame_url"] = url_for("mail.body", message_id=message.id, images=int(shows_images) or None)
        shown["images_blocked_url"] = (
            None if shows_images else url_for("mail.show_images", message_id=message.id)
        )
    else:
        shown["text"] = folded_text(message)
    return shown


def folded_text(message: Message) -> Markup:
    """Its plain text, escaped, with links; what was quoted or signed can be unfolded."""
    segments = split(
        message.text[:LONGEST_TEXT].strip("\n"),
        is_answer=is_about_another(message.subject, message.in_reply_to, message.references),
    )
    parts = []
    for segment in segments:
        html = _text_with_links(segment.text)
        if segment.kind == "reply" or not segment.text.strip():
            parts.append(html)
        else:
            words = "Signature" if segment.kind == "signature" else "Quoted text"
            parts.append(
                Markup('<details class="quoted"><summary>{}</summary>{}</details>').format(words, html)
            )
    if len(message.text) > LONGEST_TEXT:
        parts.append(LONGER)
    return Markup().join(parts)


def first_quoted(message: Message) -> str:
    """The first letters of what an answer quotes down to its end, by which its page finds what to fold."""
    _, is_reply = base_subject(message.subject)
    if not is_reply:
        return ""
    segments = split(message.text[:LONGEST_TEXT])
    below = takewhile(lambda one: one.kind != "reply" or not one.text.strip(), reversed(segments))
    quoted = [one.text for one in below if one.kind == "quotation"]
    return "".join(filter(str.isalnum, quoted[-1]))[:QUOTED_BEGINNING] if quoted else ""


def _text_with_links(text: str) -> Markup:
    # Line ends are <br> there; those beside them would count twice where white space is kept.
    return Markup(plain_text_to_html(text).replace("<br>\n", "<br>"))  # noqa: S704  # escaped


def event_of(event: Event, who: str = "", parts: Sequence[Thread] = ()) -> dict[str, Any]:
    """One step of the timeline. ``parts``: those of a split conversation that the reader may see."""
    name, icon = _STAGES.get(event.stage, (event.stage.capitalize(), "circle-dot"))
    is_seen = not unseen_kind(event, g.permissions)
    part = next((part for part in parts if str(part.id) == event.details.get(PART)), None)
    return {
        "name": name,
        "icon": icon,
        "result": event.result,
        "reason": reason_told(event, g.permissions) + _named(part),
        "at": event.at,
        "seconds": None if event.milliseconds is None else event.milliseconds / 1000,
        "who": who,
        "url": _url_of(event, part) if is_seen else None,
        "tone": _tone(event.result),
    }


def _named(part: Thread | None) -> str:
    return f" The other part is “{part.subject or '(no subject)'}”." if part is not None else ""


def _url_of(event: Event, part: Thread | None) -> str | None:
    if part is not None:
        return place_of_request().url("mail.conversation", thread_id=part.id)
    return event.details.get("url") or None


def latest_events(conversation: Conversation) -> list[dict[str, Any]]:
    """What happened last in a conversation, in order, each with whose message it was about."""
    events = [(event.at, event.position, event, one) for one, event in _each_once(conversation.messages)]
    events.sort(key=lambda item: item[:2])
    return [
        event_of(event, one.message.sender_name or one.message.sender_address, conversation.parts)
        for _, _, event, one in events[-MOST_EVENTS:]
    ]


def count_events(messages: Iterable[Opened]) -> int:
    """How many steps a conversation has, of which the latest are shown."""
    return len(_each_once(messages))


def _each_once(messages: Iterable[Opened]) -> list[tuple[Opened, Event]]:
    """An automatic response stands on two timelines; where both are shown, its own is enough."""
    shown = list(messages)
    answered = {one.outgoing.trigger_id for one in shown if one.outgoing and one.outgoing.kind == "automatic"}
    return [
        (one, event)
        for one in shown
        for event in one.events
        if one.message.id not in answered or event.stage not in ("queued", "sent")
    ]


def _url_of_row(row: Row, place: Place) -> str:
    if row.thread is None:
        return place.url("mail.draft", draft_id=row.id)
    if row.draft_id:
        return place.url("mail.conversation", thread_id=row.thread.id, draft=row.draft_id, anchor="composer")
    anchor = f"message-{row.message_id}" if row.message_id else None
    return place.url("mail.conversation", thread_id=row.thread.id, anchor=anchor)


def _senders(row: Row) -> str:
    """Who writes: people by first names, our mailbox by its whole name, and our robot not at all."""
    own = row.mailbox_label
    names = [name for name in row.senders if name != own or not _has_only_our_robot(row)] or row.senders
    if len(names) <= 1:
        return "".join(names)
    short = [name if name == own else _first_name(name) for name in names]
    return ", ".join([short[0], "…", *short[-2:]] if len(short) > 3 else short)


def _has_only_our_robot(row: Row) -> bool:
    return row.thread is not None and row.thread.is_auto_replied and row.thread.outgoing_count <= 1


def _first_name(name: str) -> str:
    return name.split("@")[0].split(" ")[0].rstrip(",") or name


def _kind(opened: Opened) -> str:
    message, outgoing = opened.message, opened.outgoing
    if message.box == "drafts":
        return "draft"
    if message.direction == "in":
        return "incoming"
    is_robot = outgoing.kind == "automatic" if outgoing else message.is_automatic
    return "automatic" if is_robot else "outgoing"


def _recipients(message: Message) -> str:
    def line(name: str) -> str:
        return ", ".join(one.get("name") or one["address"] for one in message.addresses.get(name, ()))

    parts = [line("to"), *(f"{name} {line(name)}" for name in ("cc", "bcc") if line(name))]
    return ", ".join(part for part in parts if part)


def _details(message: Message) -> list[tuple[str, str]]:
    def line(name: str) -> str:
        return ", ".join(
            f"{one['name']} <{one['address']}>" if one.get("name") else one["address"]
            for one in message.addresses.get(name, ())
        )

    labels = (("From", "from"), ("Reply-To", "reply_to"), ("To", "to"), ("Cc", "cc"), ("Bcc", "bcc"))
    pairs = [(label, line(name)) for label, name in labels if line(name)]
    pairs.append(("Subject", message.subject or "(no subject)"))
    if message.sent_at:
        pairs.append(("Date, by the sender", absolute_time(message.sent_at)))
    if message.received_at:
        pairs.append(("Received", absolute_time(message.received_at)))
    return pairs


def _authentication(message: Message, mailbox: Mailbox) -> dict[str, str] | None:
    """What the mailbox's own server found out about the sender, in words; None where nobody asked."""
    if message.direction == "out" or not mailbox.trusted_authserv_id:
        return None
    found = message.facts.get("authentication")
    if not found:
        return {"tone": "neutral", "words": "Sender not checked", "detail": "Your mail server said nothing."}
    detail = ", ".join(f"{name.upper()} {found[name]}" for name in ("dmarc", "spf", "dkim") if found[name])
    if found["dmarc"] == "pass" or found["has_aligned_dkim_pass"]:
        return {"tone": "ok", "words": "Sender verified", "detail": detail}
    if is_forged(found):
        return {"tone": "bad", "words": "Sender may be forged", "detail": detail}
    return {"tone": "neutral", "words": "Sender not verified", "detail": detail}


def _attachment(message: Message, one: Attachment) -> dict[str, Any]:
    picture_url = None
    if is_picture(one):
        picture_url = url_for("mail.attached_picture", message_id=message.id, position=one.position)
    return {
        "name": one.filename or f"attachment {one.position}",
        "size": one.size,
        "url": url_for("mail.attachment", message_id=message.id, position=one.position),
        "preview_url": picture_url,
        "thumbnail_url": picture_url if one.size <= LARGEST_THUMBNAIL else None,
        "kind": _kind_of_file(one.content_type),
    }


def _kind_of_file(content_type: str) -> str:
    if any(word in content_type for word in _SHEETS):
        return "sheet"
    if any(word in content_type for word in _ARCHIVES):
        return "archive"
    return next((kind for start, kind in _KINDS if content_type.startswith(start)), "other")


def _state(outgoing: Outgoing | None) -> dict[str, str] | None:
    if outgoing is None:
        return None
    tone, words = _STATES[outgoing.state]
    return {"tone": tone, "words": words}


def _problem(message: Message, held: Held | None, mailbox: Mailbox) -> dict[str, Any] | None:
    """Why only the header of a message is here, and what can be done about it, by whom."""
    if not message.is_stub:
        return None
    if held is None:
        return {"text": STUB_OF_SYSTEM if mailbox.is_global else STUB_UNDER_WAY, "fetch_url": ""}
    may_fetch = held.is_fetchable and "mailbox.manage" in g.permissions
    return {
        "text": " ".join(filter(None, ("Only its header is here.", held.failure, _outlook(held, may_fetch)))),
        "fetch_url": url_for("mailboxes.fetch_anyway", mailbox_id=mailbox.id, arrival_id=held.id)
        if may_fetch
        else "",
    }


def _outlook(held: Held, may_fetch: bool) -> str:
    if held.is_asked_for:
        return "It has been asked for, and comes with a next pass."
    if held.is_fetchable and not may_fetch:
        return "Whoever manages this mailbox can fetch it anyway."
    return held.lost


def _tone(result: str) -> str:
    bad = ("failed", "quarantined", "refused")
    warn = ("suppressed", "unknown", "not converted")
    if any(word in result for word in bad):
        return "bad"
    return "warn" if any(word in result for word in warn) else ""
