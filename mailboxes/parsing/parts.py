"""The tree of parts (RFC 2046 §5), found by offsets in the raw: nothing is copied on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from mimetypes import guess_type
from typing import TypeVar

from mailboxes.parsing.cleaning import one_line
from mailboxes.parsing.headers import Header, header_block, header_text, message_start
from mailboxes.parsing.parameters import Parameterized, content_type, disposition
from mailboxes.parsing.signed import signed_content
from mailboxes.parsing.tnef import File, files_of
from mailboxes.parsing.transfer import content_of, length_of_content, uuencoded_files, uuencoded_name
from mailboxes.parsing.values import PICTURES, Defects, Limits

_ENCODING = re.compile(r"[\s\"']*([A-Za-z0-9_-]+)")
MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
SIGNED_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENCODED = frozenset({"base64", "quoted-printable"})
SHORT = 60  # bytes
MAXIMUM_NAME = 500  # characters of a file name

# A line of two hyphens and some text, with a header of a part in the next line.
_LIKE_DELIMITER = re.compile(
    rb"^(--[^\s-][^\r\n]{0,200}?)[ \t]{0,40}\r*\n(?=content-[a-z-]{2,40}[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
_PART = re.compile(rb"content-[a-z-]{2,40}[ \t]*:", re.IGNORECASE)
_LINE_REST = re.compile(rb"\r*(?:\n|\Z)|[ \t][^\n]*(?:\n|\Z)")


Said = TypeVar("Said")


@dataclass(slots=True)
class Part:
    """One part: its headers, and where its body lies in ``raw``."""

    raw: bytes
    headers: tuple[Header, ...]
    body_start: int
    body_end: int
    depth: int
    kind: Parameterized
    disposition: Parameterized
    encoding: str
    children: list[Part] = field(default_factory=list)
    is_related: bool = False  # it stands in a multipart/related
    is_alternative: bool = False  # or in a multipart/alternative

    @property
    def content_type(self) -> str:
        """Such as ``text/plain``."""
        return self.kind.value

    @property
    def charset(self) -> str | None:
        """As declared."""
        return self.kind.parameters.get("charset")

    @property
    def filename(self) -> str:
        """The declared name, or ``""``."""
        name = self.disposition.parameters.get("filename") or self.kind.parameters.get("name")
        if not name and self.encoding in ("x-uuencode", "uuencode", "x-uue"):
            name = one_line(uuencoded_name(self.raw[self.body_start : self.body_end]) or "")
        return (name or "")[:MAXIMUM_NAME]

    @property
    def is_tnef(self) -> bool:
        """Whether it is a winmail.dat; some servers know it by its name alone."""
        if self.content_type == "application/octet-stream":
            return self.filename.lower() == "winmail.dat"
        return self.content_type in _TNEF_TYPES

    def body(self) -> bytes:
        """The body as it was sent."""
        return self.raw[self.body_start : self.body_end]

    def content(self) -> bytes:
        """The body with its transfer encoding undone."""
        return content_of(self.body(), self.encoding)

    def content_length(self) -> int:
        """How many bytes the content has; it is decoded only where they cannot be counted otherwise."""
        return length_of_content(self.body(), self.encoding)

    def first(self, name: str) -> bytes | None:
        """The raw value of the first header of that (lower-case) name."""
        for header in self.headers:
            if header.key == name:
                return header.value
        return None

    def text(self, name: str) -> str:
        """The first header of that name on one line, its encoded words still in it."""
        value = self.first(name)
        return "" if value is None else header_text(value, self.charset)


@dataclass(slots=True)
class _Budget:
    limits: Limits
    defects: Defects
    left: int
    to_decode: int  # bytes of attached messages that may yet be decoded, and are then kept beside the raw


def part_tree(raw: bytes, limits: Limits, defects: Defects) -> Part:
    """The message in ``raw`` (with LF line ends, or CRLF) as a tree."""
    budget = _Budget(limits, defects, limits.parts - 1, 2 * len(raw))
    return _part(raw, message_start(raw), len(raw), 0, "text/plain", budget)


def own_parts(part: Part) -> list[Part]:
    """The part and all below it, in their order, but not what an attached message is made of."""
    if part.depth > 0 and part.content_type in MESSAGE_TYPES:
        return [part]
    return [part, *(below for child in part.children for below in own_parts(child))]


def _part(raw: bytes, start: int, end: int, depth: int, default: str, budget: _Budget) -> Part:
    block = header_block(raw, start, end, budget.limits, budget.defects)
    values = {header.key: header.value for header in reversed(block.headers)}
    kind = _kind(values.get("content-type", b""))
    if not kind.value:
        if "content-type" in values:
            budget.defects.add("bad-content-type")
        kind = Parameterized(default, kind.parameters)
    part = Part(
        raw,
        block.headers,
        block.body_start,
        end,
        depth,
        kind,
        _disposition(values.get("content-disposition", b"")),
        _encoding(values.get("content-transfer-encoding", b"")),
    )
    _descend(part, budget)
    return part


def _known_if_short(ask: Callable[[bytes], Said]) -> Callable[[bytes], Said]:
    """Short values are those of all messages rather than of one: what they say is remembered."""
    known = lru_cache(maxsize=1_024)(ask)
    return lambda value: known(value) if len(value) < SHORT else ask(value)


@_known_if_short
def _kind(value: bytes) -> Parameterized:
    return content_type(header_text(value, None))


@_known_if_short
def _disposition(value: bytes) -> Parameterized:
    return disposition(header_text(value, None))


@_known_if_short
def _encoding(value: bytes) -> str:
    found = _ENCODING.match(header_text(value, None))
    name = found[1].lower() if found else ""
    return {"b": "base64", "q": "quoted-printable", "qp": "quoted-printable"}.get(name, name)


def _descend(part: Part, budget: _Budget) -> None:
    is_multipart = part.content_type.startswith("multipart/")
    is_signed = part.content_type in SIGNED_TYPES
    if not (is_multipart or is_signed or part.content_type in MESSAGE_TYPES):
        if part.is_tnef:
            _unpack(part, budget)
        _take_files_out(part, budget)
        return
    if part.depth >= budget.limits.depth:
        budget.defects.add("too-deep")
    elif is_multipart:
        _split(part, budget)
    elif budget.left > 0 and is_signed:
        _open_signed(part, budget)
    elif budget.left > 0:
        _descend_into_message(part, budget)


def _open_signed(part: Part, budget: _Budget) -> None:
    """What is signed, as the only part of its signature; what is encrypted stays as it is."""
    size = part.body_end - part.body_start
    content = signed_content(part.content()) if size <= budget.to_decode else None
    if content is not None:
        budget.left -= 1
        budget.to_decode -= size
        part.children.append(_part(content, 0, len(content), part.depth + 1, "text/plain", budget))


def _unpack(part: Part, budget: _Budget) -> None:
    """The files in a winmail.dat, as its parts."""
    size = part.body_end - part.body_start
    if size > budget.to_decode:
        return
    content = part.content()
    files = files_of(content)[: max(budget.left, 0)]
    if files:
        budget.left -= len(files)
        budget.to_decode -= size
        part.children = [_packed(part, content, file) for file in files]


def _packed(part: Part, content: bytes, file: File) -> Part:
    guess = guess_type(file.name)[0] or ""
    kind = guess if guess in PICTURES or guess == "application/pdf" else "application/octet-stream"
    parameters = {"filename": file.name} if file.name else {}
    return Part(
        content,
        (),
        file.start,
        file.end,
        part.depth + 1,
        Parameterized(kind, {}),
        Parameterized("attachment", parameters),
        "",
    )


def _take_files_out(part: Part, budget: _Budget) -> None:
    """Make parts of a text in which whole files are uuencoded, and of the stretches around them."""
    if part.content_type != "text/plain" or part.encoding in _ENCODED:
        return
    files = uuencoded_files(part.raw, part.body_start, part.body_end)
    if not files or part.filename or part.disposition.value == "attachment":
        return
    at = part.body_start
    for start, end in files[: max(budget.left - 1, 0) // 2]:
        part.children += [_stretch(part, at, start), _uuencoded(part, start, end)]
        at = end
    if part.children:
        part.children.append(_stretch(part, at, part.body_end))
        budget.left -= len(part.children)


def _stretch(part: Part, start: int, end: int) -> Part:
    """A stretch of a text, of the same kind."""
    return replace(part, body_start=start, body_end=end, depth=part.depth + 1, children=[])


def _uuencoded(part: Part, start: int, end: int) -> Part:
    kind = Parameterized("application/octet-stream", {})
    file = replace(_stretch(part, start, end), headers=(), kind=kind, encoding="x-uuencode")
    return replace(file, disposition=Parameterized("attachment", {}))


def _descend_into_message(part: Part, budget: _Budget) -> None:
    raw, start, end = part.raw, part.body_start, part.body_end
    if part.encoding in _ENCODED:  # forbidden by RFC 2046 §5.2.1, and sent
        budget.to_decode -= end - start
        if budget.to_decode < 0:
            budget.defects.add("too-deep")
            return
        raw = part.content()
        start, end = 0, len(raw)
    while raw[start : start + 1] in (b"\r", b"\n") and start < end:
        start += 1
    if start < end:
        budget.left -= 1
        part.children.append(_part(raw, start, end, part.depth + 1, "text/plain", budget))


def _split(part: Part, budget: _Budget) -> None:
    default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
    bodies = _bodies(part, _boundary(part, budget), budget)
    budget.left -= len(bodies)
    for start, end in bodies:
        child = _part(part.raw, start, end, part.depth + 1, default, budget)
        child.is_related = part.content_type == "multipart/related"
        child.is_alternative = part.content_type == "multipart/alternative"
        part.children.append(child)
    if not part.children:
        budget.defects.add("boundary-not-found")


def _boundary(part: Part, budget: _Budget) -> bytes:
    """The delimiter: as declared, or, where it does not occur, the first line that looks like one."""
    declared = part.kind.parameters.get("boundary", "").encode("utf-8", "surrogateescape")
    if not declared:
        budget.defects.add("no-boundary")
    for boundary in (declared, declared.rstrip()):
        if boundary and part.raw.find(b"--" + boundary, part.body_start, part.body_end) >= 0:
            return b"--" + boundary
    guessed = _LIKE_DELIMITER.search(part.raw, part.body_start, part.body_end)
    return guessed[1] if guessed else b""


def _bodies(part: Part, delimiter: bytes, budget: _Budget) -> list[tuple[int, int]]:
    """Where the parts between the delimiter lines lie, at most as many as the budget allows."""
    raw, position, end = part.raw, part.body_start, part.body_end
    bodies: list[tuple[int, int]] = []
    opened: int | None = None
    while delimiter and len(bodies) < budget.left:
        found = _delimiter(raw, delimiter, position, end)
        if found is None:
            if opened is not None:
                budget.defects.add("no-closing-boundary")
                bodies.append((opened, end))
            return bodies
        line_start, line_end, is_closing = found
        if opened is not None:
            bodies.append((opened, _before_line_end(raw, opened, line_start)))
        opened, position = line_end, line_end
        if is_closing:
            following = _delimiter(raw, delimiter, position, end)
            if following is None or following[2] or not _PART.match(raw, following[1], end):
                return bodies
            opened, position = following[1], following[1]  # closed by a part that has the same boundary
    if delimiter:
        budget.defects.add("too-many-parts")
    return bodies


def _before_line_end(raw: bytes, start: int, end: int) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1)."""
    if end > start and raw[end - 1 : end] == b"\n":
        end -= 1
        if end > start and raw[end - 1 : end] == b"\r":
            end -= 1
    return end


def _delimiter(raw: bytes, delimiter: bytes, position: int, end: int) -> tuple[int, int, bool] | None:
    """The next delimiter line: its start, the start of the next line, whether it closes."""
    while (found := raw.find(delimiter, position, end)) >= 0:
        after = found + len(delimiter)
        at_line_start = found == 0 or raw[found - 1 : found] in (b"\n", b"\r")
        is_closing = raw[after : after + 2] == b"--"
        rest = _LINE_REST.match(raw, after + 2 * is_closing, end) if at_line_start else None
        if rest:
            return found, rest.end(), is_closing
        position = after
    return None
