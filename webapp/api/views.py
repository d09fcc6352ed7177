"""The API by what it is about; `operations` says how each operation is made."""

from webapp.api import (
    case_views,
    contact_views,
    conversation_views,
    description,
    lead_views,
    lookup_views,
    mailbox_views,
    message_views,
    rule_views,
)
from webapp.api.operations import blueprint

__all__ = [
    "blueprint",
    "case_views",
    "contact_views",
    "conversation_views",
    "description",
    "lead_views",
    "lookup_views",
    "mailbox_views",
    "message_views",
    "rule_views",
]
