"""What a mailbox in shadow would have done, and the way to go live."""

from flask import flash, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mailboxes.access import is_granted
from mailboxes.conversion import actions
from mailboxes.crm.paging import page
from mailboxes.global_mailboxes.fields import locks_of
from mailboxes.messages import Message
from mailboxes.shadow import ANSWER, explained, shadow_counts, shadowed_messages
from mailboxes.system_mailboxes import Mailbox
from tenants.errors import ConflictError, ForbiddenError
from webapp.mailboxes.door import Door


def shadow_page(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    """GET lists what would have happened, newest first; POST switches the mailbox live."""
    if request.method == "POST":
        return _live(door, mailbox)
    if not is_granted(g.member, mailbox):
        raise ForbiddenError("You manage this mailbox, but are not granted access to what is in it.")
    shown = page(
        shadowed_messages(mailbox),
        Message.arrived_at,
        Message.id,
        is_descending=True,
        cursor=request.args.get("page", ""),
    )
    return render_template(
        "mailboxes/shadow.html",
        door=door,
        mailbox=mailbox,
        rows=explained(shown.rows, g.permissions),
        older=shown.next,
        newer=shown.previous,
        lock=locks_of(mailbox.system_values).get("shadow"),
        figures=_figures(shadow_counts(mailbox)),
    )


def _live(door: Door, mailbox: Mailbox) -> ResponseReturnValue:
    if not mailbox.is_shadow:
        raise ConflictError("This mailbox is live already.")
    door.go_live(mailbox)
    flash(f"{mailbox.label} is live: it converts and answers what arrives from now on.", "success")
    return redirect(door.url("edit", mailbox_id=mailbox.id))


def _figures(counts: dict[str, int]) -> list[dict[str, object]]:
    """How often each thing would have been done."""
    nouns = {name: f"{action.noun.capitalize()}s it would have made" for name, action in actions().items()}
    made = [{"label": nouns.get(name, name), "value": n} for name, n in counts.items() if name in nouns]
    return [*made, {"label": "Automatic responses it would have sent", "value": counts.get(ANSWER, 0)}]
