"""What routing reads in a message: addresses, what it answers, and where a token of ours may be."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailboxes.classifying import canonical_address
from mailboxes.parsing import Address, ParsedMessage, address_list
from mailboxes.routing.deciding import comparable
from mailboxes.threads.tokens import TOKEN_HEADER

# Where servers and forwarders write to whom a copy was really delivered.
RECIPIENT_HEADERS = (
    "Delivered-To",
    "X-Delivered-To",
    "X-Original-To",
    "Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-RCPT-To",
    "X-Forwarded-To",
    "Apparently-To",
    "Resent-To",
    "Resent-Cc",
)
MOST_RECIPIENTS = 200
MOST_PARENTS = 50
MOST_PEOPLE = 50
MOST_TOKEN_TEXTS = 60

_RETURNED = re.compile(rf"^(?:message-id|{TOKEN_HEADER}):\s*(\S.{{0,1000}})$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as routing sees it. ``is_ours``: the account's owner filed it (Sent, Drafts).

    ``parents``: what it answers, the nearest first; ``people``: sender and recipients in the form in
    which they are counted as one; ``witnesses``: those of them whose taking part in a conversation proves
    that this message belongs to it. ``token_texts``: where a token of ours may be; ``sent_texts``: where one
    says that we have sent this very message, or that it gives one of ours back.
    """

    stable_hash: bytes
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    parents: tuple[str, ...]
    people: tuple[str, ...]
    witnesses: tuple[str, ...]
    token_texts: tuple[str, ...]
    sent_texts: tuple[str, ...]


def letter_of(parsed: ParsedMessage, stable_hash: bytes, own: frozenset[str], *, is_ours: bool) -> Letter:
    """Read a message. ``own``: the account's addresses, which prove nothing: anybody may write them."""
    sender = comparable(parsed.sender.address) if parsed.sender else ""
    addressed = _addresses((*parsed.to, *parsed.cc, *parsed.bcc))
    recipients = tuple(dict.fromkeys((*addressed, *_delivered_to(parsed))))[:MOST_RECIPIENTS]
    message_id = parsed.message_id or ""
    ids = filter(None, (parsed.in_reply_to, *reversed(parsed.references)))
    parents = tuple(id for id in dict.fromkeys(ids) if id != message_id)[:MOST_PARENTS]
    people = _people((sender, *addressed), own)
    sent_texts = _sent_texts(parsed, message_id)
    return Letter(
        stable_hash=stable_hash,
        message_id=message_id,
        sender=sender,
        recipients=recipients,
        parents=parents,
        people=people,
        witnesses=people if is_ours else _people((sender,), own),
        token_texts=_few((*sent_texts, *parents)),
        sent_texts=_few(sent_texts),
    )


def _sent_texts(parsed: ParsedMessage, message_id: str) -> tuple[str, ...]:
    """Our tokens stand in a header, in the Message-IDs that we make, and in what a bounce gives back."""
    return (*parsed.all_headers(TOKEN_HEADER), *_RETURNED.findall(parsed.returned_headers), message_id)


def _few(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in dict.fromkeys(texts) if text)[:MOST_TOKEN_TEXTS]


def _delivered_to(parsed: ParsedMessage) -> list[str]:
    values = [value for name in RECIPIENT_HEADERS for value in parsed.all_headers(name)]
    found = (address_list(value, MOST_RECIPIENTS) for value in values[:MOST_RECIPIENTS])
    return [address for listed in found for address in _addresses(listed.addresses)]


def _addresses(people: Iterable[Address]) -> tuple[str, ...]:
    return tuple(filter(None, (comparable(person.address) for person in people)))


def _people(addresses: Iterable[str], own: frozenset[str]) -> tuple[str, ...]:
    ours = {canonical_address(address) for address in own}
    canonical = dict.fromkeys(canonical_address(address) for address in addresses if address)
    return tuple(person for person in canonical if person not in ours)[:MOST_PEOPLE]
