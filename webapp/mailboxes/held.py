"""Messages of a mailbox that could not be taken in: looked at, saved, read or fetched again."""

from uuid import UUID

from flask import flash, make_response, redirect, render_template
from flask.typing import ResponseReturnValue

from mailboxes.intake import process_again
from mailboxes.intake.held import held_arrival, held_header, held_raw
from mailboxes.sync import refetching
from tenants.database import db
from webapp.mailboxes.consenting import AnyMailbox
from webapp.mailboxes.door import Door
from workers.queues import ring_intake


def held_page(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Why it was set aside, and its header."""
    found = held_arrival(mailbox.account_id, arrival_id)
    header = held_header(found)
    return render_template("mailboxes/held.html", door=door, mailbox=mailbox, held=found, header=header)


def held_file(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Its bytes, to be saved; no browser shows them."""
    response = make_response(held_raw(held_arrival(mailbox.account_id, arrival_id)))
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Disposition"] = f'attachment; filename="message-{arrival_id}.eml"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response


def take_in_again(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Let a quarantined message try again."""
    held_arrival(mailbox.account_id, arrival_id)  # of this mailbox, not of another
    account_id = process_again(arrival_id)
    db.session.commit()
    ring_intake(account_id)
    flash("The message is being read again. If it fails once more, it comes back here.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="health"))


def fetch_anyway(door: Door, mailbox: AnyMailbox, arrival_id: UUID) -> ResponseReturnValue:
    """Fetch a message that is too large, or that the server did not hand out, with the next pass."""
    refetching.fetch_anyway(mailbox.account_id, arrival_id)
    db.session.commit()
    flash("The message is being fetched. It appears whole in its conversation, or stays here.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id, _anchor="health"))
