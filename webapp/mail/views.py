"""The pages of My Emails, by what they are about."""

from webapp.mail import (
    access_views,
    assigning_views,
    compose_views,
    conversation_views,
    list_views,
    mailboxes_views,
    message_views,
    note_views,
    saving_views,
    snoozing_views,
    split_join_views,
    tagging_views,
)
from webapp.mail.blueprint import blueprint

__all__ = [
    "access_views",
    "assigning_views",
    "blueprint",
    "compose_views",
    "conversation_views",
    "list_views",
    "mailboxes_views",
    "message_views",
    "note_views",
    "saving_views",
    "snoozing_views",
    "split_join_views",
    "tagging_views",
]
