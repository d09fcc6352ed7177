"""What somebody did with messages of a mailbox, on record where the mailbox belongs."""

from typing import Any

from mailboxes.system_mailboxes import Mailbox
from tenants.audit import record, record_for_system
from webapp.configuration.pages import actor
from webapp.mailboxes.door import AnyMailbox


def note(mailbox: AnyMailbox, act: str, what: dict[str, Any]) -> None:
    """Add an entry: to the organization's record, or to the installation's. The caller commits."""
    (record if isinstance(mailbox, Mailbox) else record_for_system)(actor(), act, mailbox.label, {}, what)
