"""Who wrote a message, and which contact that is."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mailboxes.crm import contacts, texts
from mailboxes.crm.contacts import Contact, Sighting
from mailboxes.messages import Message, mailbox_of
from mailboxes.system_mailboxes import own_addresses
from tenants.database.portions import asked_once


@dataclass(frozen=True)
class Person:
    """The one a message is from, as far as it says so. ``address`` is in lower case, or ""."""

    name: str
    address: str


def is_from_trusted_form(message: Message) -> bool:
    """Whether the sender is a web form that the mailbox trusts to name the person in Reply-To."""
    trusted = {address.lower() for address in mailbox_of(message).trusted_forms}
    return message.sender_address.lower() in trusted


def person_of(message: Message) -> Person:
    """The sender; behind a trusted web form, the one who filled it in (Reply-To)."""
    replies = message.addresses.get("reply_to") or []
    if replies and is_from_trusted_form(message):
        first = replies[0]
        address = str(first.get("address") or "").lower()
        if texts.is_address(address):
            return Person(str(first.get("name") or ""), address)
    return Person(message.sender_name, message.sender_address.lower())


def is_from_person(message: Message) -> bool:
    """Whether a person wrote it: no automatic message, unless a trusted web form carries a person's."""
    if message.is_bounce:
        return False
    return not message.is_automatic or is_from_trusted_form(message)


def contact_of(message: Message) -> Contact | None:
    """The contact who wrote an incoming message, seen once more; made when a person first writes.

    None for machines without a contact, for senders without an address, and for our own mailboxes.
    """
    person = person_of(message)
    if is_ours(person.address):
        return None
    sighting = Sighting(
        person.address,
        person.name,
        message.shown_at,
        language=message.language,
        is_authenticated=_is_authenticated(message) and person.address == message.sender_address.lower(),
    )
    return contacts.see(sighting, may_make=is_from_person(message))


def know_people(addresses: Collection[str]) -> None:
    """Ask together what `contact_of` asks about the senders of a portion."""
    contacts.know_contacts(addresses)
    own = own_addresses(addresses)
    for address in addresses:
        is_ours.know(address in own, address)


@asked_once
def is_ours(address: str) -> bool:
    """Whether an address, in lower case, is one of our mailboxes."""
    return bool(own_addresses([address]))


def _is_authenticated(message: Message) -> bool:
    results: Any = message.facts.get("authentication") or {}
    return bool(results.get("dmarc") == "pass")
