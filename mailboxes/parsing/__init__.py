"""Raw bytes in, values out: ``parse`` understands every message as far as it can be understood.

Pure: no session, no request, no network. ``parse`` never raises; what is wrong with a message is in
its ``defects``. Every step is linear in the size of the raw and bounded by ``Limits``
(reliability T13). A byte-level walk, not ``email.policy.default``: several times faster, and it
reads what the standard library gives up on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from mailboxes.parsing import bodies as sorting
from mailboxes.parsing.addresses import AddressList, address_list
from mailboxes.parsing.charsets import decoded, few_guesses
from mailboxes.parsing.cleaning import body_text, first_bytes, has_line_break, one_line
from mailboxes.parsing.dates import sent_at
from mailboxes.parsing.encoded_words import decoded_words
from mailboxes.parsing.headers import header_text, readable_headers, with_line_feeds
from mailboxes.parsing.identity import hash_of, stable_hash, stub_hash
from mailboxes.parsing.identity import header_block_text as header_block
from mailboxes.parsing.parts import Part, own_parts, part_tree
from mailboxes.parsing.values import (
    DEFAULT,
    PICTURES,
    Address,
    Attachment,
    Defects,
    Limits,
    ParsedMessage,
    PartSummary,
)

__all__ = [
    "DEFAULT",
    "PICTURES",
    "Address",
    "Attachment",
    "Limits",
    "ParsedMessage",
    "PartSummary",
    "address_list",
    "attachment_contents",
    "header_block",
    "headers_of",
    "page_of",
    "parse",
    "stable_hash",
    "stub_hash",
]

MAXIMUM_ID = 900  # bytes of a message id that are kept; of a longer one the beginning, and a hash of it

_ID = re.compile(r"<([^<>]{1,2000})>")
# With white space beside it; else programs tell their ids apart by what stands in brackets.
_COMMENT = re.compile(r"(?<=\s)\([^()]*\)|\([^()]*\)(?=\s)")
_SPACE = re.compile(r"\s+")
_REPORT_PARAMETERS = ("report-type", "method", "protocol", "smime-type")


def parse(raw: bytes, limits: Limits = DEFAULT) -> ParsedMessage:
    """Read one message. Never raises, whatever the bytes are."""
    defects = Defects()
    with few_guesses():
        tree = part_tree(with_line_feeds(raw), limits, defects)
        return _Message(tree, limits, defects, len(raw)).parsed()


def page_of(raw: bytes, limits: Limits = DEFAULT) -> str | None:
    """The HTML of a message alone, as `parse` finds it: to read the text takes as long again."""
    with few_guesses():
        return sorting.page_of(part_tree(with_line_feeds(raw), limits, Defects()), limits)


def headers_of(raw: bytes, limits: Limits = DEFAULT) -> tuple[tuple[str, str], ...]:
    """The headers of a message alone, as `parse` finds them."""
    with few_guesses():
        tree = part_tree(with_line_feeds(raw), limits, Defects())
        return readable_headers(tree.headers, tree.charset)


def attachment_contents(raw: bytes, positions: Iterable[int]) -> Iterator[bytes]:
    """The decoded contents of the attachments at these positions, each when it is asked for.

    IndexError at once where there is none.
    """
    with few_guesses():
        units = dict(enumerate(sorting.units(part_tree(with_line_feeds(raw), DEFAULT, Defects()))))
    wanted = list(positions)
    if not units.keys() >= set(wanted):
        raise IndexError(wanted)
    return (units[position].content() for position in wanted)


class _Message:
    """One message on its way from tree to values."""

    def __init__(self, tree: Part, limits: Limits, defects: Defects, size: int) -> None:
        self.tree, self.limits, self.defects, self.size = tree, limits, defects, size
        self.charset = tree.charset
        self.values: dict[str, list[bytes]] = {}
        for header in tree.headers:
            self.values.setdefault(header.key, []).append(header.value)

    def parsed(self) -> ParsedMessage:
        found = sorting.bodies_of(self.tree, self.limits, self.defects)
        senders = self._addresses("from")
        parts = own_parts(self.tree)
        return ParsedMessage(
            message_id=next(iter(self._ids("message-id")), None),
            in_reply_to=next(iter(self._ids("in-reply-to")), None),
            references=tuple(self._ids("references")),
            sent_at=self._sent_at(),
            sender=senders[0] if senders else None,
            senders=senders,
            reply_to=self._addresses("reply-to"),
            to=self._addresses("to"),
            cc=self._addresses("cc"),
            bcc=self._addresses("bcc"),
            subject=self._subject(),
            text=found.text,
            html=found.html,
            attachments=tuple(found.attachments),
            headers=readable_headers(self.tree.headers, self.charset),
            defects=self.defects.listed(),
            size=self.size,
            own_text_length=found.own_text_length,
            is_text_from_html=found.is_text_from_html,
            parts=tuple(_summary(part) for part in parts),
            reports=tuple(found.reports),
            returned_headers=_returned_headers(parts, self.limits),
            calendar_methods=_calendar_methods(parts),
            stable_hash=hash_of(self.tree.headers, self.tree.body()),
        )

    def _line(self, name: str) -> str:
        values = self.values.get(name)
        return header_text(values[0], self.charset) if values else ""

    def _subject(self) -> str:
        text = decoded_words(self._line("subject"))
        if has_line_break(text):
            self.defects.add("control-characters-in-subject")
        return _SPACE.sub(" ", one_line(text))[: self.limits.subject_characters]

    def _sent_at(self) -> datetime | None:
        line = self._line("date")
        moment = sent_at(line)
        if line and moment is None:
            self.defects.add("bad-date")
        return moment

    def _addresses(self, name: str) -> tuple[Address, ...]:
        if name not in self.values:
            return ()
        lists = [self._address_list(value, name) for value in self.values[name]]
        found = tuple(address for listed in lists for address in listed.addresses)
        if len(found) > self.limits.addresses or any(listed.is_cut for listed in lists):
            self.defects.add("too-many-addresses")
        return found[: self.limits.addresses]

    def _address_list(self, value: bytes, name: str) -> AddressList:
        line = header_text(value, self.charset)
        listed = address_list(line, self.limits.addresses)
        if has_line_break(decoded_words(line)):
            self.defects.add(f"control-characters-in-{name}")
        if listed.is_ambiguous:
            self.defects.add(f"ambiguous-{name}")
        if listed.has_group and name == "from":
            self.defects.add("group-in-from")
        return listed

    def _ids(self, name: str) -> list[str]:
        """Each once; of too many the first and the last.."""
        lines = [header_text(value, self.charset) for value in self.values.get(name, ())]
        kept = list(dict.fromkeys([id for line in lines if line for id in _ids_of(line) if id]))
        return [*kept[:1], *kept[1:][-(self.limits.references - 1) :]]


def _ids_of(line: str) -> list[str]:
    found = _ID.findall(line)
    if found and line.isascii() and line.isprintable() and "=?" not in line:
        return [_short_id(_without_comments(text).replace(" ", "")) for text in found]  # as nearly all are
    if not found:
        found = [word for word in line.split() if "@" in word] or [line]
    texts = [_without_comments(one_line(decoded_words(text))) for text in found]
    return [_short_id(_SPACE.sub("", text).strip("<>")) for text in texts]


def _without_comments(text: str) -> str:
    """An id without the comments that RFC 5322 §4.5.4 once allowed in it; one that is a comment stays."""
    return (_COMMENT.sub("", text).strip() or text) if "(" in text else text


def _short_id(text: str) -> str:
    if len(text) <= MAXIMUM_ID and text.isascii():
        return text
    data = text.encode("utf-8", "ignore")
    if len(data) <= MAXIMUM_ID:
        return text
    digest = hashlib.sha256(data).hexdigest()
    return f"{first_bytes(text, MAXIMUM_ID - len(digest) - 1)}:{digest}"


def _summary(part: Part) -> PartSummary:
    parameters = part.kind.parameters
    chosen = tuple((name, parameters[name]) for name in _REPORT_PARAMETERS if name in parameters)
    return PartSummary(part.depth, part.content_type, chosen)


def _calendar_methods(parts: list[Part]) -> tuple[str, ...]:
    """The METHODs of calendar parts (RFC 6047 §2.4), from the parameter or the content."""
    methods: dict[str, None] = {}
    for part in parts:
        if part.content_type == "text/calendar":
            content = re.search(rb"(?im)^METHOD:([A-Za-z-]{1,30})", part.content()[:20_000])
            inside = content[1].decode("ascii") if content else ""
            methods[(part.kind.parameters.get("method") or inside).upper()] = None
    return tuple(method for method in methods if method)


def _returned_headers(parts: list[Part], limits: Limits) -> str:
    for part in parts:
        if part.content_type == "text/rfc822-headers":
            return body_text(decoded(part.content()[: limits.header_bytes], "utf-8"))
        if part.depth > 0 and sorting.is_attached_message(part):
            return header_block(part.content()[: limits.header_bytes])
    return ""
