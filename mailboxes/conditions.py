"""Conditions of auto-response rules: a message's fields in, true or false out.

Pure, and without regular expressions of tenants (reliability T23): every operator is one pass over the
text. Text is compared after NFKC, case folding and the squeezing of white space; addresses are compared
as addresses (lower case, A-labels), names as names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailboxes.classifying.domains import split_address
from mailboxes.parsing import Address, address_list
from mailboxes.parsing.cleaning import normalized

TEXT_FIELDS = ("body", "subject")
ADDRESS_FIELDS = ("from", "to", "cc", "bcc")
HEADER = "header:"
FIELDS: dict[str, str] = {
    "body": "Body",
    "subject": "Subject",
    "from": "From",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
    HEADER: "Header…",
}
OPERATORS: dict[str, str] = {
    "contains": "contains",
    "does_not_contain": "does not contain",
    "is_equal_to": "is equal to",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "is_any_of": "is any of",
    "is_not_any_of": "is not any of",
    "is_empty": "is empty",
    "is_not_empty": "is not empty",
}
NEGATIONS = {
    "does_not_contain": "contains",
    "is_not_any_of": "is_any_of",
    "is_not_empty": "is_empty",
}
WITHOUT_VALUE = frozenset({"is_empty", "is_not_empty"})
WITH_LIST = frozenset({"is_any_of", "is_not_any_of"})

MOST_CONDITIONS = 30
MOST_VALUES = 200
LONGEST_VALUE = 2_000

_HEADER_NAME = re.compile(r"[!-9;-~]{1,100}")
_SEPARATORS = re.compile(r"[,;\n]")


@dataclass(frozen=True, slots=True)
class Condition:
    """``field``: body, subject, from, to, cc, bcc or ``header:NAME``. A list is one value, by commas."""

    field: str
    operator: str
    value: str = ""

    def stored(self) -> dict[str, Any]:
        """As it is kept with its rule."""
        return {"field": self.field, "operator": self.operator, "value": self.value}


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one row of the form; ``part`` is field, operator or value."""

    row: int
    part: str
    sentence: str


@dataclass(frozen=True)
class MessageFields:
    """A message as conditions see it. ``body`` is the text a person sees; header names in lower case."""

    body: str = ""
    subject: str = ""
    addresses: Mapping[str, Sequence[Address]] = field(default_factory=dict)
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _seen: dict[str, list[_Entry]] = field(default_factory=dict, repr=False, compare=False)

    def entries(self, name: str) -> list[_Entry]:
        """What a field holds, ready to be compared; made once for all conditions."""
        if name not in self._seen:
            self._seen[name] = self._read(name)
        return self._seen[name]

    def _read(self, name: str) -> list[_Entry]:
        if name in ADDRESS_FIELDS:
            return [_entry_of(address) for address in self.addresses.get(name, ())]
        if name.startswith(HEADER):
            values = self.headers.get(name.removeprefix(HEADER).strip().lower(), ())
            return [_Entry(comparable(value)) for value in values]
        return [_Entry(comparable(self.body if name == "body" else self.subject))]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing to compare: a text or a name, and an address where there is one."""

    text: str
    address: str = ""

    def is_blank(self) -> bool:
        return not self.text and not self.address


def comparable(text: str) -> str:
    """The text without what people do not mean: case, width, runs of white space."""
    return " ".join(normalized("NFKC", normalized("NFKC", text).casefold()).split())


def comparable_address(text: str) -> str:
    """An address, or the beginning or end of one, as addresses are compared."""
    squeezed = "".join(normalized("NFKC", text).split())
    if "@" not in squeezed:
        return squeezed.casefold()
    local, domain = split_address(squeezed)
    return f"{local.casefold()}@{domain}"


def matches(conditions: Sequence[Condition], message: MessageFields) -> bool:
    """Whether all conditions hold; without any, every message does."""
    return all(holds(condition, message) for condition in conditions)


def holds(condition: Condition, message: MessageFields) -> bool:
    """Whether one condition holds.

    A positive operator needs one entry of the field that satisfies it, a negative one needs all.
    """
    positive = NEGATIONS.get(condition.operator)
    if positive is not None:
        return not _holds(positive, condition, message)
    return _holds(condition.operator, condition, message)


def conditions_from(stored: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Conditions as a rule or a form keeps them."""
    return tuple(
        Condition(str(row.get("field", "")), str(row.get("operator", "")), str(row.get("value", "") or ""))
        for row in stored
    )


def check_conditions(conditions: Sequence[Condition]) -> list[RowError]:
    """What keeps conditions from being saved, row by row (from 0)."""
    if len(conditions) > MOST_CONDITIONS:
        return [RowError(MOST_CONDITIONS, "field", f"A rule has at most {MOST_CONDITIONS} conditions.")]
    return [error for row, condition in enumerate(conditions) for error in _check(row, condition)]


def values_of(condition: Condition) -> list[str]:
    """The values of *is any of*: separated by commas, semicolons or line ends."""
    return [value.strip() for value in _SEPARATORS.split(condition.value) if value.strip()]


def described(condition: Condition) -> str:
    """A condition in words: ``Subject contains “invoice”``."""
    name = FIELDS.get(condition.field, condition.field.removeprefix(HEADER))
    words = f"{name} {OPERATORS.get(condition.operator, condition.operator)}"
    return words if condition.operator in WITHOUT_VALUE else f"{words} “{condition.value}”"


def _holds(operator: str, condition: Condition, message: MessageFields) -> bool:
    entries = message.entries(condition.field)
    if operator == "is_empty":
        return all(entry.is_blank() for entry in entries)
    test = _TESTS.get(operator)
    if test is None:
        return False
    wanted = values_of(condition) if operator == "is_any_of" else [condition.value]
    return any(_satisfies(entry, value, test) for value in wanted for entry in entries)


def _satisfies(entry: _Entry, value: str, test: Callable[[str, str], bool]) -> bool:
    """A value with an address in it is about the address; any other may be about name or address."""
    if entry.address and "@" in value:
        return test(entry.address, comparable_address(_address_in(value)))
    text = comparable(value)
    return test(entry.text, text) or (bool(entry.address) and test(entry.address, text))


def _address_in(value: str) -> str:
    """The address of ``Anna <anna@example.org>``; else the value itself."""
    if "<" not in value:
        return value
    found = address_list(value[:LONGEST_VALUE], 1).addresses
    return found[0].address if found else value


def _equals(text: str, value: str) -> bool:
    return text == value


def _contains(text: str, value: str) -> bool:
    return value in text


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": _contains,
    "is_equal_to": _equals,
    "is_any_of": _equals,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def _entry_of(address: Address) -> _Entry:
    return _Entry(comparable(address.name), comparable_address(address.address))


def _check(row: int, condition: Condition) -> list[RowError]:
    sentences = {
        "field": _wrong_field(condition.field),
        "operator": "" if condition.operator in OPERATORS else "Choose how to compare.",
        "value": _wrong_value(condition),
    }
    return [RowError(row, part, sentence) for part, sentence in sentences.items() if sentence]


def _wrong_field(name: str) -> str:
    if name in TEXT_FIELDS or name in ADDRESS_FIELDS:
        return ""
    if not name.startswith(HEADER):
        return "Choose the part of the message to look at."
    if _HEADER_NAME.fullmatch(name.removeprefix(HEADER).strip()):
        return ""
    return "Type the name of a header, such as X-Priority."


def _wrong_value(condition: Condition) -> str:
    if condition.operator in WITHOUT_VALUE:
        return "" if not condition.value.strip() else "This comparison takes no value."
    if not comparable(condition.value):
        return "Type what to compare with."
    if len(condition.value) > LONGEST_VALUE:
        return f"Use at most {LONGEST_VALUE} characters."
    if condition.operator not in WITH_LIST:
        return ""
    count = len(values_of(condition))
    if not count:
        return "Type the values, separated by commas."
    return "" if count <= MOST_VALUES else f"List at most {MOST_VALUES} values."
