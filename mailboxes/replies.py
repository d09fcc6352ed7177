"""What a person's reply starts from: recipients, subject, quotation. Pure: values in, values out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email

from mailboxes.classifying import canonical_address
from mailboxes.parsing import address_list
from mailboxes.subjects import base_subject

MOST_RECIPIENTS = 100
LONGEST_QUOTATION = 20_000  # characters
LONGEST_FORWARDED = 400_000
LONGEST_LINE = 200  # of a subject that we prefix

# Who is quoted, as mailers say it in the language of what is answered; in others, in English.
INTRODUCTIONS = {
    "de": "Am {at:%d.%m.%Y} um {at:%H:%M} schrieb {sender}:",
    "en": "On {at:%d %B %Y} at {at:%H:%M}, {sender} wrote:",
    "es": "El {at:%d/%m/%Y} a las {at:%H:%M}, {sender} escribió:",
    "fr": "Le {at:%d/%m/%Y} à {at:%H:%M}, {sender} a écrit :",
    "it": "Il {at:%d/%m/%Y} {at:%H:%M}, {sender} ha scritto:",
    "nl": "Op {at:%d-%m-%Y} om {at:%H:%M} schreef {sender}:",
    "pt": "Em {at:%d/%m/%Y} às {at:%H:%M}, {sender} escreveu:",
    "sv": "Den {at:%Y-%m-%d} kl. {at:%H:%M} skrev {sender}:",
}

# What is passed on, as mailers say it in its language.
FORWARDS = {
    "de": ("Weitergeleitete Nachricht", "Von", "Datum", "{at:%d.%m.%Y, %H:%M %Z}", "Betreff", "An"),
    "en": ("Forwarded message", "From", "Date", "{at:%d %B %Y, %H:%M %Z}", "Subject", "To"),
    "es": ("Mensaje reenviado", "De", "Fecha", "{at:%d/%m/%Y, %H:%M %Z}", "Asunto", "Para"),
    "fr": ("Message transféré", "De ", "Date ", "{at:%d/%m/%Y, %H:%M %Z}", "Sujet ", "À "),
    "it": ("Messaggio inoltrato", "Da", "Data", "{at:%d/%m/%Y, %H:%M %Z}", "Oggetto", "A"),
    "nl": ("Doorgestuurd bericht", "Van", "Datum", "{at:%d-%m-%Y, %H:%M %Z}", "Onderwerp", "Aan"),
    "pt": ("Mensagem encaminhada", "De", "Data", "{at:%d/%m/%Y, %H:%M %Z}", "Assunto", "Para"),
    "sv": ("Vidarebefordrat meddelande", "Från", "Datum", "{at:%Y-%m-%d, %H:%M %Z}", "Ämne", "Till"),
}

_SEPARATOR = re.compile(r"[,;\n]")
_UNSAFE_NAME = re.compile(r'[\x00-\x1f\x7f"\\<>]')
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|rv)\s*:", re.IGNORECASE)


class AddressProblem(ValueError):  # noqa: N818  # becomes an error at its field
    """Something typed into a field for recipients is no address; the text says which."""


@dataclass(frozen=True)
class Person:
    """A name and an address."""

    name: str
    address: str

    def __str__(self) -> str:
        """As people type it; the name is quoted where a comma would split it."""
        if not self.name or self.name == self.address:
            return self.address
        name = _UNSAFE_NAME.sub("", self.name).strip()
        quoted = f'"{name}"' if re.search(r"[,;:@()\[\].]", name) else name
        return f"{quoted} <{self.address}>" if name else self.address


@dataclass(frozen=True)
class Recipients:
    """Who a reply goes to."""

    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()


def recipients_of_reply(
    addresses: Mapping[str, Any], own: Iterable[str], *, to_all: bool, is_ours: bool
) -> Recipients:
    """Who an answer goes to; ``addresses`` as `mailboxes.messages.Message` keeps them.

    The sender (or where they asked for the answer), and for everybody also all of To and Cc. Our own
    addresses are left out, also with a tag and where a list that is one asks for answers to itself; an answer
    to what we wrote goes to those we wrote to.
    """
    people = {name: _people(addresses.get(name, ())) for name in ("from", "reply_to", "to", "cc")}
    ours = {canonical_address(address) for address in own}
    others = {
        name: [person for person in found if canonical_address(person.address) not in ours]
        for name, found in people.items()
    }
    first = others["to"] if is_ours else others["reply_to"] or others["from"]
    to = _distinct([*first, *(others["to"] if to_all else ())])
    if not to:  # somebody writes to themselves from one of our addresses
        to = _distinct(people["to"] if is_ours else people["reply_to"] or people["from"])
    taken = {person.address.lower() for person in to}
    cc = [person for person in others["cc"] if person.address.lower() not in taken]
    return Recipients(to, _distinct(cc) if to_all else ())


def subject_of_reply(subject: str) -> str:
    """``Re:`` before a subject that has no reply's prefix yet, in whatever language."""
    _, is_reply = base_subject(subject)
    return subject if is_reply else f"Re: {subject[:LONGEST_LINE]}".strip()


def subject_of_forward(subject: str) -> str:
    """``Fwd:`` before a subject, once."""
    return subject if _FORWARDED.match(subject) else f"Fwd: {subject[:LONGEST_LINE]}".strip()


def quotation(sender: str, at: datetime, text: str, language: str | None = None) -> str:
    """What an answer answers, each line marked, under who wrote it and when, in its language."""
    lines = text[:LONGEST_QUOTATION].strip().splitlines()
    quoted = "\n".join(f"> {line}".rstrip() for line in lines)
    introduction = INTRODUCTIONS.get(language or "en", INTRODUCTIONS["en"])
    return f"{introduction.format(at=at, sender=sender)}\n{quoted}\n"


def forwarded(
    sender: str, at: datetime, subject: str, recipients: str, text: str, language: str | None = None
) -> str:
    """A message to pass on, under a block that says in its language what it was."""
    title, by, on, moment, about, to = FORWARDS.get(language or "en", FORWARDS["en"])
    return (
        f"---------- {title} ----------\n"
        f"{by}: {sender}\n{on}: {moment.format(at=at)}\n{about}: {subject}\n{to}: {recipients}\n\n"
        f"{text[:LONGEST_FORWARDED].strip()}\n"
    ) + ("[The rest of this message was left out.]\n" if len(text) > LONGEST_FORWARDED else "")


def typed_people(text: str) -> tuple[Person, ...]:
    """The people in a field, as typed: separated by commas, semicolons or lines; each once.

    `AddressProblem` names the first that is no address.
    """
    people = _distinct(_typed(item) for item in _items(text))
    if len(people) > MOST_RECIPIENTS:
        raise AddressProblem(f"These are {len(people)} addresses; at most {MOST_RECIPIENTS} are possible.")
    return people


def _typed(item: str) -> Person:
    found = address_list(item)
    is_bare = "<" not in item
    if len(found.addresses) != 1 or found.has_group or (is_bare and found.addresses[0].address != item):
        raise AddressProblem(f"“{item[:80]}” is not an email address.")
    one = found.addresses[0]
    try:
        checked = validate_email(one.address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise AddressProblem(f"“{item[:80]}” is not an email address.") from None
    return Person(one.name, checked.normalized)


def _items(text: str) -> list[str]:
    """Split where a separator stands outside of quotes and angle brackets."""
    items, begun, is_quoted, is_angled = [], "", False, False
    for character in text:
        if character == '"':
            is_quoted = not is_quoted
        elif character in "<>" and not is_quoted:
            is_angled = character == "<"
        if _SEPARATOR.match(character) and not is_quoted and not is_angled:
            items.append(begun)
            begun = ""
        else:
            begun += character
    return [item.strip() for item in (*items, begun) if item.strip()]


def _people(rows: Iterable[Mapping[str, str]]) -> list[Person]:
    return [Person(row.get("name", ""), row["address"]) for row in rows if row.get("address")]


def _distinct(people: Iterable[Person]) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for person in people:
        found.setdefault(person.address.lower(), person)
    return tuple(found.values())
