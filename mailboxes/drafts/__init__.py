"""Drafts of replies, kept on the server with every change, until they are sent and beyond undo."""

from mailboxes.drafts.beginning import (
    begin_answer,
    begin_message,
    signature_of,
)
from mailboxes.drafts.room import MEGABYTE
from mailboxes.drafts.sending import (
    UNDO,
    ConversationMovedOnError,
    news_since,
    send,
    show_news,
    take_back,
)
from mailboxes.drafts.table import (
    Draft,
    DraftAttachment,
    draft_to_send,
    files_of,
    own_draft,
    own_drafts,
)
from mailboxes.drafts.writing import (
    LONGEST,
    attach,
    change_mailbox,
    detach,
    discard,
    save,
    use_template,
)

__all__ = [
    "LONGEST",
    "MEGABYTE",
    "UNDO",
    "ConversationMovedOnError",
    "Draft",
    "DraftAttachment",
    "attach",
    "begin_answer",
    "begin_message",
    "change_mailbox",
    "detach",
    "discard",
    "draft_to_send",
    "files_of",
    "news_since",
    "own_draft",
    "own_drafts",
    "save",
    "send",
    "show_news",
    "signature_of",
    "take_back",
    "use_template",
]
