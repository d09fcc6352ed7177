"""A message gets at most one automatic response.

- `respond(message)`: what the worker does with each incoming message.
- `respond_to_all(messages)`: the same for a portion; `hold_turn` before it, `domains_to_answer` before that.
- `rehearse(message, rules)`, `preview(rule, message)`: what would be answered, without sending.
- `rehearse_loops()`: how it would get on with other machines.
"""

from mailboxes.responses.answering import (
    languages_for,
    preview,
    rehearse,
    rehearse_loops,
    respond,
    respond_to_all,
)
from mailboxes.responses.claims import AutomaticResponse, ResponseWindow, hold_turn
from mailboxes.responses.knowing import domains_to_answer

__all__ = [
    "AutomaticResponse",
    "ResponseWindow",
    "domains_to_answer",
    "hold_turn",
    "languages_for",
    "preview",
    "rehearse",
    "rehearse_loops",
    "respond",
    "respond_to_all",
]
