"""The pages of My Emails, by what they are about."""

from webapp.mail import (
    views_access,
    views_assigning,
    views_compose,
    views_conversation,
    views_list,
    views_mailboxes,
    views_message,
)
from webapp.mail.blueprint import blueprint

__all__ = [
    "blueprint",
    "views_access",
    "views_assigning",
    "views_compose",
    "views_conversation",
    "views_list",
    "views_mailboxes",
    "views_message",
]
