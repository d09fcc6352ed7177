"""Messages of an organization that are here, and could not be converted and answered."""

from collections.abc import Callable, Collection
from uuid import UUID

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from mailboxes import given_up
from mailboxes.access import readable_ids
from mailboxes.system_mailboxes import Mailbox
from tenants.database import current_organization_id, db
from tenants.database.bulk import among
from webapp.quarantine.pages import Level, tabs_of
from webapp.records import neighbours, selected_ids
from workers.queues import ring_action

AGAIN = "Messages that are being converted and answered: {}. What fails again and again comes back here."
DISMISSED = "Messages that are dismissed: {}. They stay in their conversations, and can be converted by hand."


def list_page(level: Level) -> ResponseReturnValue:
    """What was given up, newest first; a conversation opens for whom its mailbox is granted."""
    found = given_up.given_up_page(request.args.get("page", ""))
    mailboxes = select(Mailbox).where(among(Mailbox.id, {row.mailbox_id for row in found.rows}))
    return render_template(
        "quarantine/given_up.html",
        level=level,
        door=level.door,
        rows=found.rows,
        mailboxes={mailbox.id: mailbox for mailbox in db.session.scalars(mailboxes)},
        readable=set(db.session.scalars(readable_ids(g.member))),
        tabs=tabs_of(level, is_given_up=True),
        pager=neighbours(found, lambda cursor: level.given_up_url(page=cursor)),
    )


def act(level: Level) -> ResponseReturnValue:
    """Try again, or dismiss, the ticked ones."""
    ids = selected_ids()
    if not ids:
        flash("Tick the messages first.", "info")
    elif request.form.get("do") == "dismiss":
        _do(level, "message.dismissed", given_up.dismiss, ids, DISMISSED)
    elif _do(level, "message.processed_again", given_up.try_again, ids, AGAIN):
        ring_action(current_organization_id())
    return redirect(level.given_up_url())


def _do(
    level: Level, name: str, act: Callable[[Collection[UUID]], int], ids: Collection[UUID], words: str
) -> int:
    """On the record and committed, if anything was done; of how many."""
    count = act(ids)
    if count:
        level.note(name, count)
        db.session.commit()
    flash(words.format(count) if count else "Somebody was faster.", "success" if count else "info")
    return count
