"""A message is built, queued, sent and kept: automatic responses and people's replies alike.

- `queue_reply`, `queue_automatic_response`: into the thread and the outbox, in the caller's transaction.
- `take_back`, `send_again`: what people may still decide.
- `send_due`, `file_copies`: what the worker does; `organizations_with_due_mail` is for the sweep.
- `route_of`, `sending_problem`, `resume_sending`: by which server a mailbox sends.
"""

from mailboxes.outgoing.copies import file_copies
from mailboxes.outgoing.outbox import (
    AUTOMATIC,
    REPLY,
    Outgoing,
    organizations_with_due_mail,
    outbox_of,
    resume_sending_for,
    sending_stop,
)
from mailboxes.outgoing.queueing import (
    CannotSendError,
    Reply,
    queue_automatic_response,
    queue_reply,
    send_again,
    take_back,
)
from mailboxes.outgoing.routes import Route, route_of, sending_problem
from mailboxes.outgoing.sending import resume_sending, send_due

__all__ = [
    "AUTOMATIC",
    "REPLY",
    "CannotSendError",
    "Outgoing",
    "Reply",
    "Route",
    "file_copies",
    "organizations_with_due_mail",
    "outbox_of",
    "queue_automatic_response",
    "queue_reply",
    "resume_sending",
    "resume_sending_for",
    "route_of",
    "send_again",
    "send_due",
    "sending_problem",
    "sending_stop",
    "take_back",
]
