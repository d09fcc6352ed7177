"""Messages of a mailbox that could not be taken in: looked at, saved, read or fetched again.

Whoever manages mailboxes sees that there is one, and why. What stands in it is for those whom the mailbox
is granted, like every message. A system administrator, to whom nobody grants anything, may save one of a
global mailbox to see what ails it; that is on the record.
"""

from uuid import UUID

from flask import flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.access import is_granted
from mailboxes.health.awaiting import why_not_soon
from mailboxes.intake.held import Held, held_arrival, held_header, held_raw, process_again
from mailboxes.sync import refetching
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import record_for_system
from tenants.database import db
from tenants.errors import ForbiddenError, NotFoundError
from webapp.configuration.pages import actor
from webapp.mailboxes.door import AnyMailbox, Door
from webapp.mailboxes.noting import note
from webapp.records import uuid_or_none
from workers.queues import ring_intake

NOT_GRANTED = "You manage this mailbox, but are not granted access to what is in it."


def held_page(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Why it was set aside, and its header."""
    found = held_arrival(mailbox.account_id, arrival_id)
    may_read = _may_read(mailbox)
    return render_template(
        "mailboxes/held.html",
        door=door,
        mailbox=mailbox,
        held=found,
        why_not=why_not_soon([mailbox.account_id]).get(mailbox.account_id, ""),
        header=held_header(found) if may_read else "",
        barred="" if may_read else NOT_GRANTED,
    )


def held_file(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Its bytes, to be saved; no browser shows them."""
    found = held_arrival(mailbox.account_id, arrival_id)
    if not _may_read(mailbox):
        raise ForbiddenError(NOT_GRANTED)
    raw = held_raw(found)
    if not isinstance(mailbox, Mailbox):
        _record_saved(mailbox.label, found)
    response = make_response(raw)
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Disposition"] = f'attachment; filename="message-{arrival_id}.eml"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response


def take_in_again(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Let a quarantined message try again."""
    taken = process_again([mailbox.account_id], [arrival_id])
    if not taken:
        raise NotFoundError("This message is not in quarantine any more.")
    note(mailbox, "message.processed_again", {"messages": 1, "arrival": str(arrival_id)})
    db.session.commit()
    ring_intake(mailbox.account_id)
    flash("The message is being read again. If it fails once more, it comes back here.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="health"))


def fetch_anyway(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Fetch a message that is too large, or that the server did not hand out, with the next pass."""
    if not refetching.fetch_anyway([mailbox.account_id], [arrival_id]):
        raise NotFoundError("This message cannot be had from the server any more, or was fetched meanwhile.")
    note(mailbox, "message.fetched_anyway", {"messages": 1, "arrival": str(arrival_id)})
    db.session.commit()
    why_not = why_not_soon([mailbox.account_id]).get(mailbox.account_id)
    if why_not:
        flash(f"The message is asked for, and is not fetched now. {why_not}", "info")
    else:
        flash("The message is being fetched. It appears whole in its conversation, or stays here.", "success")
    thread = uuid_or_none(request.form.get("thread"))
    if thread is not None:
        return redirect(url_for("mail.conversation", thread_id=thread))
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="health"))


def _record_saved(label: str, held: Held) -> None:
    """Which message it was, by its place on the server; nothing of what stands in it."""
    which = {"folder": held.folder, "uid": held.uid, "arrival": str(held.id), "bytes": held.size}
    record_for_system(actor(), "message.saved", label, {}, which)
    db.session.commit()


def _may_read(mailbox: AnyMailbox) -> bool:
    """A global mailbox is the system administrators' own; their guard has let them in."""
    return not isinstance(mailbox, Mailbox) or is_granted(g.member, mailbox)
