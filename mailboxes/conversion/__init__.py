"""A message becomes a lead or a case, as its mailbox says.

- `convert(message)`: what a worker does with each incoming message; `convert_by_hand` what people do;
  `know_what_to_convert` before the messages of a portion.
- `Action`, `Field`, `Record`, `actions()`: the built-in actions and the plug-in point.
- `links_of(thread_id)` and its siblings: conversations and their records.
- `offers()`, `checked_settings()`, `choices_of()`: what the mailbox's page asks.
"""

from mailboxes.conversion.actions import NOTHING, Action, Field, Record
from mailboxes.conversion.built_in import BUILT_IN
from mailboxes.conversion.claims import Conversion
from mailboxes.conversion.converting import (
    attach_reply,
    convert,
    convert_by_hand,
    convert_conversation,
    know_what_to_convert,
    offers_by_hand,
)
from mailboxes.conversion.known_actions import GROUP, actions
from mailboxes.conversion.links import (
    RecordLink,
    conversations_of_case,
    conversations_of_contact,
    conversations_of_lead,
    links_of,
    links_of_threads,
)
from mailboxes.conversion.lookups import (
    activation_effects,
    deactivation_effects,
    merge_effects,
    merge_lead_sources,
    remove_lead_source,
)
from mailboxes.conversion.people import contact_of, person_of
from mailboxes.conversion.settings import Offer, checked_settings, choices_of, offers
from mailboxes.conversion.uses import uses_by_source

__all__ = [
    "BUILT_IN",
    "GROUP",
    "NOTHING",
    "Action",
    "Conversion",
    "Field",
    "Offer",
    "Record",
    "RecordLink",
    "actions",
    "activation_effects",
    "attach_reply",
    "checked_settings",
    "choices_of",
    "contact_of",
    "conversations_of_case",
    "conversations_of_contact",
    "conversations_of_lead",
    "convert",
    "convert_by_hand",
    "convert_conversation",
    "deactivation_effects",
    "know_what_to_convert",
    "links_of",
    "links_of_threads",
    "merge_effects",
    "merge_lead_sources",
    "offers",
    "offers_by_hand",
    "person_of",
    "remove_lead_source",
    "uses_by_source",
]
