"""A message gets at most one automatic response.

- `respond(message)`: what the worker does with each incoming message.
- `rehearse(message, rules)`, `preview(rule, message)`: what would be answered, without sending.
"""

from mailboxes.responses.answering import languages_for, preview, rehearse, respond
from mailboxes.responses.claims import AutomaticResponse, ResponseWindow

__all__ = [
    "AutomaticResponse",
    "ResponseWindow",
    "languages_for",
    "preview",
    "rehearse",
    "respond",
]
