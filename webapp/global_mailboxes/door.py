"""Where system administrators are while they set up global mailboxes, and how that reaches everybody."""

from collections.abc import Iterable
from uuid import UUID

from flask import g, render_template
from flask.typing import ResponseReturnValue

from mailboxes.global_mailboxes.following import follow
from mailboxes.global_mailboxes.reach import Consequence
from mailboxes.global_mailboxes.saving import global_mailbox_of
from mailboxes.global_mailboxes.table import GlobalMailbox
from tenants.configuration.layers import value_of
from tenants.database import db, enter_installation
from webapp.mailboxes.door import Door, system_door


def enter() -> Door:
    """Bind the session to what the installation owns, for the rest of this request."""
    enter_installation("a system administrator sets up global mailboxes")
    g.zone = value_of("general.time_zone", user=g.user)
    return system_door()


def entered(mailbox_id: UUID) -> tuple[Door, GlobalMailbox]:
    """The same, with one global mailbox; `NotFoundError` if there is none."""
    return enter(), global_mailbox_of(mailbox_id)


def asked(
    door: Door,
    source: GlobalMailbox,
    question: str,
    consequence: Consequence,
    endpoint: str,
    *,
    button: str,
    tone: str = "danger",
    fields: Iterable[tuple[str, str]] = (),
    back: str = "edit",
) -> ResponseReturnValue:
    """A page that says what an act means, with the button that does it and the fields that go along."""
    return render_template(
        "global_mailboxes/ask.html",
        door=door,
        mailbox=source,
        question=question,
        consequence=consequence,
        url=door.url(endpoint, mailbox_id=source.id),
        button=button,
        tone=tone,
        fields=fields,
        back=door.url(back, mailbox_id=source.id),
    )


def commit_and_follow(source: GlobalMailbox) -> None:
    """What the system says counts from now on; then it is brought to the organizations."""
    db.session.commit()
    follow(source.id)
