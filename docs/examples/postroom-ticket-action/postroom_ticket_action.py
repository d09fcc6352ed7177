"""An example plug-in for Postroom: the first message of a conversation becomes a ticket.

Nothing of it needs a table of its own: what the ticket is called, where it is shown and what it says
goes back in the `Record`, which Postroom keeps with the conversation and on the message's timeline.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from mailboxes.conversion import Action, Field, Record
from mailboxes.messages import Message
from tenants.organizations import Membership

TICKETS = UUID("6f0d2f2e-7a51-4d0e-8f0e-1d3c6a9b2c55")
LONGEST_TITLE = 80


class ConvertToTicket(Action):
    """Offered on every mailbox's page as *Convert to ticket*."""

    name = "ticket"
    label = "Convert to ticket"
    noun = "ticket"
    permission = "case.edit"
    fields = (
        Field("prefix", "Prefix of the numbers", required=True, default="T"),
        Field("desk", "Desk", "choice", True, (("first", "First level"), ("second", "Second level"))),
        Field("watcher", "Watcher", "member", help="Named on the ticket."),
    )

    def make_record(
        self, message: Message, settings: Mapping[str, Any], by: Membership | None = None
    ) -> Record:
        """A ticket whose number follows from the message, so that it is the same whoever asks."""
        id = uuid5(TICKETS, str(message.id))
        number = f"{settings.get('prefix') or 'T'}-{id.int % 1_000_000:06}"
        title = (message.subject or "(no subject)")[:LONGEST_TITLE]
        desk = settings.get("desk") or "first"
        notes = () if settings.get("desk") else ("The mailbox names no desk: the first level got it.",)
        return Record(
            id=id,
            label=f"{number} {title}",
            url=f"https://tickets.example.com/{number}",
            notes=notes,
            details={"number": number, "desk": desk, "made_by": by.name if by is not None else "Postroom"},
        )
