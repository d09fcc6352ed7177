"""Notices: mail of the system itself, such as an invitation, sent by the system's own SMTP server.

A notice is a row (`table`) until it has left: put there by `queueing`, taken away by `sending`. Its subject
and text are encrypted while it waits, because a link in it opens something, and forgotten when it came to an
end. The states are those of the outbox (reliability §3.4): it is sent at most once, unless somebody asks for
another one.

Always the *system's* server and sender: an organization that names a server of its own would read links
that prove to others who somebody is.
"""

from mailboxes.notices.queueing import Unsent, call_off, cut_line, latest_notices, queue_notice, queue_notices
from mailboxes.notices.sending import (
    can_send,
    forget_old_notices,
    outbox_of,
    owners_with_due_notices,
    send_due_notices,
)
from mailboxes.notices.table import Notice

__all__ = [
    "Notice",
    "Unsent",
    "call_off",
    "can_send",
    "cut_line",
    "forget_old_notices",
    "latest_notices",
    "outbox_of",
    "owners_with_due_notices",
    "queue_notice",
    "queue_notices",
    "send_due_notices",
]
