"""The headers of a message, asked by name: its envelope, the machine that wrote it, who calls it spam."""

from __future__ import annotations

import re
from collections.abc import Callable

from mailboxes.classifying import robots
from mailboxes.classifying.domains import canonical_address
from mailboxes.parsing import ParsedMessage

LONGEST_ADDRESS = 320  # what is longer is none, and is neither kept nor remembered whole

_COMMENT = re.compile(r"\([^()]*\)")
_IN_BRACKETS = re.compile(r"<([^<>]*)>")
_TOKEN = re.compile(r"[^;,()\s]+")
_WORDS = re.compile(r"[\s,;]+")
_SCORE = re.compile(r"(?:^|;)\s*scl\s*:\s*(-?\d+)", re.IGNORECASE)


class Headers:
    """Questions about the headers of a message."""

    def __init__(self, parsed: ParsedMessage) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in parsed.headers:
            self.values.setdefault(name.lower(), []).append(value)

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def present(self, names: frozenset[str]) -> list[str]:
        return [name for name in self.values if name in names]

    def return_path(self) -> str | None:
        """The first Return-Path: lower case, without brackets, "" when it is null."""
        values = self.all("return-path")
        return _envelope_address(values[0]) if values else None

    def has_null_return_path(self) -> bool:
        return any(not _envelope_address(value) for value in self.all("return-path"))

    def first_words(self, name: str) -> list[str]:
        """The first word of each instance, in lower case; "" of an empty one."""
        found = [_TOKEN.search(_COMMENT.sub(" ", value)) for value in self.all(name)]
        return [token[0].lower() if token else "" for token in found]

    def words(self, names: tuple[str, ...], wanted: frozenset[str]) -> list[str]:
        values = [value for name in names for value in self.all(name)]
        words = [word.lower() for value in values for word in _WORDS.split(value[:1000])]
        return [word for word in dict.fromkeys(words) if word in wanted]

    def list_headers(self) -> list[str]:
        found = self.present(robots.LIST_HEADERS)
        if "feedback-id" in found and self._is_feedback_of_a_person():
            found.remove("feedback-id")
        return found

    def _is_feedback_of_a_person(self) -> bool:
        mailer = "".join(self.all("x-mailer")[:1])
        return all(robots.is_feedback_of_a_person(value, mailer) for value in self.all("feedback-id"))

    def machine_headers(self) -> list[str]:
        found = self.present(robots.MACHINE_HEADERS)
        if self.is_redirected():
            found = [name for name in found if name not in robots.RULE_OF_EXCHANGE]
        for name, wanted in robots.MACHINE_HEADER_VALUES.items():
            if any(value.strip().lower().startswith(tuple(wanted)) for value in self.all(name)):
                found.append(name)
        return found

    def is_redirected(self) -> bool:
        """Whether an inbox rule of Exchange passed on somebody's letter as it was."""
        return "x-ms-exchange-inbox-rules-loop" in self.values and "resent-from" in self.values

    def delivered_to(self) -> list[str]:
        values = [value[:LONGEST_ADDRESS] for value in self.all("delivered-to") if value]
        return [canonical_address(value) for value in values[:100]]

    def spam_signs(self) -> list[str]:
        return [
            name
            for name, is_spam in _SPAM_TESTS.items()
            if name in self.values and any(map(is_spam, self.values[name]))
        ]


def _says_yes(value: str) -> bool:
    return value.strip().lower().startswith("yes")


def _says_spam(value: str) -> bool:
    return value.strip().lower() in ("spam", "yes", "true", "junk")


def _has_high_score(value: str) -> bool:
    """Exchange's spam confidence level, from 5 (junk) on."""
    found = _SCORE.search(value) or re.fullmatch(r"\s*(-?\d+)\s*", value)
    return found is not None and int(found[1][:4]) >= 5


_SPAM_TESTS: dict[str, Callable[[str], bool]] = {
    "x-spam-flag": _says_yes,
    "x-spam-status": _says_yes,
    "x-spam": _says_spam,
    "x-ses-spam-verdict": lambda value: value.strip().lower().startswith("fail"),
    "x-ms-exchange-organization-scl": _has_high_score,
    "x-forefront-antispam-report": _has_high_score,
    "x-barracuda-spam-flag": _says_yes,
    "x-bogosity": lambda value: value.strip().lower().startswith(("spam", "yes")),
    "x-vr-spamstate": _says_spam,
    "x-spam-tag": _says_yes,
    "x-gnd-status": _says_spam,
}


def _envelope_address(value: str) -> str:
    """``<a@b> (comment)`` as ``a@b``; ``""`` for the null path and for none."""
    found = _IN_BRACKETS.search(value)
    inside = found[1] if found else _COMMENT.sub(" ", value)
    return inside.strip().lower()[:LONGEST_ADDRESS]
