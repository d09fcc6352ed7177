"""What templates can name and do: the variables, the filters, and the sandbox that has nothing else."""

from functools import lru_cache
from typing import Literal

from jinja2.sandbox import ImmutableSandboxedEnvironment

Kind = Literal["html", "plain"]

LONGEST_VALUE = 2_000  # characters

VARIABLES: dict[str, dict[str, str]] = {
    "message": {
        "subject": "Subject of the message",
        "date": "Date of the message",
        "time": "Time of the message",
    },
    "sender": {
        "name": "Name of the sender, else the address",
        "first_name": "First word of the sender's name",
        "address": "Address of the sender",
    },
    "contact": {
        "name": "Name of the contact",
        "first_name": "First name of the contact",
        "last_name": "Last name of the contact",
        "company": "Company of the contact",
        "phone": "Phone of the contact",
    },
    "lead": {
        "name": "Name of the lead",
        "status": "Status of the lead",
        "owner": "Owner of the lead",
        "source": "Source of the lead",
    },
    "case": {
        "subject": "Subject of the case",
        "status": "Status of the case",
        "priority": "Priority of the case",
        "assignee": "Assignee of the case",
        "comment": "Newest public comment on the case",
    },
    "mailbox": {
        "label": "Label of the mailbox",
        "address": "Address of the mailbox",
        "signature": "Signature of the mailbox",
    },
    "organization": {
        "name": "Name of the organization",
    },
    "user": {
        "name": "Name of the person who writes (empty in automatic responses)",
        "address": "Address of the person who writes (empty in automatic responses)",
    },
}
FILTERS: dict[str, str] = {
    "upper": "in capital letters",
    "lower": "in small letters",
    "capitalize": "with a capital first letter",
    "title": "with capital first letters",
    "trim": "without space around it",
    "default": "another text where it is empty: default('there')",
    "truncate": "cut to so many characters: truncate(40)",
}


@lru_cache(maxsize=2)
def environment(kind: Kind) -> ImmutableSandboxedEnvironment:
    """Autoescape for HTML only; no globals, no tests, and our few filters."""
    language = ImmutableSandboxedEnvironment(autoescape=kind == "html", keep_trailing_newline=True)
    kept = {name: language.filters[name] for name in FILTERS if name in language.filters}
    language.filters.clear()
    language.filters.update(kept)
    language.filters["default"] = _default
    language.filters["truncate"] = _truncate
    language.globals.clear()
    language.tests.clear()
    return language


def _default(value: object, other: str) -> str:
    text = str(value)
    return text if text.strip() else other


def _truncate(value: object, length: int) -> str:
    text = str(value)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
