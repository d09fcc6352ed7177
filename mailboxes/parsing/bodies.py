"""Which parts are the text, which the page, and which are attachments."""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from mailboxes.parsing.charsets import decoded
from mailboxes.parsing.cleaning import body_text, one_line
from mailboxes.parsing.drawing import drawn_ids
from mailboxes.parsing.headers import readable
from mailboxes.parsing.html_text import text_of_html
from mailboxes.parsing.parts import MESSAGE_TYPES, SIGNED_TYPES, Part
from mailboxes.parsing.values import PICTURES, Attachment, Defects, Limits

LONGEST_STAND_IN = 300  # characters
FORWARDED_MESSAGES = 5  # whose text is taken into the text of the message around them
FORWARDED = "---------- Forwarded message ----------"

_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*+=\s*+[\"']?\s*+([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE
)
_PLAIN_TYPES = frozenset({"text/plain", "text/enriched", "text/richtext"})
_NO_PROSE = frozenset(
    {"text/calendar", "text/rfc822-headers", "text/vcard", "text/x-vcard", "text/directory"}
)
_OTHER_PAGES = frozenset({"text/x-amp-html", "text/watch-html"})  # the same page for other programs
_REPORTS = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/feedback-report"}
    | {"message/global-delivery-status", "message/global-disposition-notification"}
    | {"text/rfc822-headers", "message/global-headers"}
)
_EXTENSIONS = {
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "application/pdf": ".pdf",
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
}


class _Piece(NamedTuple):
    """One stretch of the message, as plain text, as HTML, or as both."""

    text: str | None
    html: str | None


@dataclass(slots=True)
class Bodies:
    """What the tree of parts comes to."""

    text: str = ""
    own_text_length: int = 0  # behind it, text of attached messages
    html: str | None = None
    is_text_from_html: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)


def units(part: Part) -> list[Part]:
    """The parts that are text or attachment: leaves, and attached messages as one thing each.

    Files in texts come behind them all, what is signed behind these, and the files in a winmail.dat last:
    places are stored, and such files were once left where they are, and signatures unopened.
    """
    parts = _units_of_mime(part)
    texts = (unit for unit in parts if unit.content_type == "text/plain")
    parts += [file for text in texts for file in text.children if file.content_type != "text/plain"]
    signed = [child for unit in parts if _is_opened(unit) for child in unit.children]
    packed = [file for unit in parts if unit.is_tnef for file in unit.children]
    return [*parts, *(unit for child in signed for unit in units(child)), *packed]


def _units_of_mime(part: Part) -> list[Part]:
    is_whole = part.content_type == "text/plain" or (part.depth > 0 and is_attached_message(part))
    if not part.children or is_whole or _is_opened(part) or part.is_tnef:
        return [part]
    return [unit for child in part.children for unit in _units_of_mime(child)]


def is_attached_message(part: Part) -> bool:
    """Whether the part is a whole message inside the message."""
    return part.content_type in MESSAGE_TYPES


def _is_opened(part: Part) -> bool:
    """Whether the part is a signature in which lies what it signs."""
    return part.content_type in SIGNED_TYPES and bool(part.children)


def bodies_of(tree: Part, limits: Limits, defects: Defects) -> Bodies:
    """Sort the parts of a message."""
    bodies = Bodies()
    _Texts(limits, defects).write(tree, bodies)
    saved = [(position, unit) for position, unit in enumerate(units(tree)) if _is_saved(unit)]
    for _, unit in saved:
        _take_report(unit, bodies, limits)
    if all(unit.content_type in _REPORTS and not unit.filename for _, unit in saved):
        saved = []  # a report that gives nothing back: for machines, and its text says the same
    pictures = frozenset(_content_id(unit) for _, unit in saved if _may_be_drawn(unit))
    drawn = drawn_ids(bodies.html or "", pictures)
    for position, unit in saved:
        _take_attachment(position, unit, drawn, bodies, limits, defects)
    if bodies.reports and not bodies.text[: bodies.own_text_length].strip():
        own = "\n\n".join(bodies.reports)[: limits.text_characters]
        bodies.text = own + bodies.text[bodies.own_text_length :]
        bodies.own_text_length = len(own)
    return bodies


def page_of(tree: Part, limits: Limits) -> str | None:
    """The page of a message, if it has one."""
    return _page(_Texts(limits, Defects()).pieces(tree))


def _page(pieces: list[_Piece]) -> str | None:
    if all(piece.html is None for piece in pieces):
        return None
    return "\n".join(_page_of(piece) for piece in pieces)


def _is_text(part: Part) -> bool:
    """Whether the part is shown as the message itself."""
    if part.content_type.startswith("multipart/"):
        return True  # it has no parts: whatever stands in it is text
    is_prose = part.content_type == "text/html" or part.content_type in _PLAIN_TYPES
    if not (is_prose or _is_unknown_text(part)) or part.disposition.value == "attachment":
        return False
    return not part.filename or part.depth == 0 or part.is_alternative


def _is_unknown_text(part: Part) -> bool:
    """Whether the whole message is a text of no type we know: it is read as plain (RFC 2046 §4.1.4)."""
    is_text = part.content_type.startswith("text/") and part.content_type not in _NO_PROSE
    return part.depth == 0 and is_text and not part.filename


def _is_saved(part: Part) -> bool:
    """Whether the part is listed: not what RFC 2557 makes a resource of the page around it."""
    if _is_text(part) or _is_opened(part) or (part.is_alternative and part.content_type in _OTHER_PAGES):
        return False
    is_named = part.filename or part.disposition.value or part.first("content-id") is not None
    return bool(is_named) or not part.is_related or part.first("content-location") is None


class _Texts:
    """Decodes the texts of one message, within its limits."""

    def __init__(self, limits: Limits, defects: Defects) -> None:
        self.limits, self.defects = limits, defects
        self.left = limits.text_characters

    def write(self, tree: Part, bodies: Bodies) -> None:
        """Fill in the text and the page."""
        pieces = self.pieces(tree)
        bodies.is_text_from_html = not any(_is_filled(piece.text) for piece in pieces)
        most = self.limits.text_characters  # of marks for quotations a page may make many times its length
        own = "\n".join(self._text_of(piece) for piece in pieces)[:most]
        bodies.own_text_length = len(own)
        bodies.text = "\n\n".join([own, *self._forwarded(tree)])[: len(own) + most]
        bodies.html = _page(pieces)
        bodies.is_text_from_html = bodies.is_text_from_html and bodies.html is not None

    def pieces(self, tree: Part) -> list[_Piece]:
        """What of a message is shown as its text or page."""
        found = self._pieces(tree)
        return found if any(map(_is_said, found)) else found + self._named(tree)

    def _pieces(self, part: Part) -> list[_Piece]:
        if not part.children:
            return self._piece(part)
        if is_attached_message(part):
            return []  # its text follows that of the message around it
        below = [self._pieces(child) for child in part.children]
        if part.content_type == "multipart/alternative":
            return _merged(below)
        return [piece for pieces in below for piece in pieces]

    def _named(self, tree: Part) -> list[_Piece]:
        """A text with a name, where there is no other: some programs name what somebody has written."""
        texts = (unit for unit in units(tree) if unit.content_type in ("text/plain", "text/html"))
        named = (unit for unit in texts if unit.filename and unit.disposition.value != "attachment")
        return next(([piece] for unit in named for piece in self._read(unit) if _is_said(piece)), [])

    def _piece(self, part: Part) -> list[_Piece]:
        return self._read(part) if _is_text(part) else []

    def _read(self, part: Part) -> list[_Piece]:
        if self.left <= 0:
            return []
        text = self._decoded(part)
        if part.content_type.startswith("multipart/"):
            return [_Piece(text, None)] if text.strip() else []
        if part.content_type == "text/html":
            return [_Piece(None, text)]
        return [_Piece(_plain(part, text), None)]

    def _decoded(self, part: Part) -> str:
        data = part.content()
        if len(data) > self.left:
            self.defects.add("text-cut")
            data = data[: self.left]
        self.left -= len(data)
        return body_text(decoded(data, _charset(part, data)))

    def _text_of(self, piece: _Piece) -> str:
        text = piece.text or ""
        if piece.html is None or (_is_filled(text) and not _may_stand_in(text)):
            return text
        from_html = text_of_html(piece.html, self.limits.html_for_text)
        return from_html if len(from_html) > 2 * len(text.strip()) else text

    def _forwarded(self, tree: Part) -> list[str]:
        """The texts of attached messages, each below a line that marks it as a quotation."""
        found: list[str] = []
        for message in _messages(tree)[:FORWARDED_MESSAGES]:
            if self.left > 0:
                texts = [self._text_of(piece) for piece in self._pieces(message)]
                found.append("\n".join([FORWARDED, *_shown_headers(message), "", *texts]).strip())
        return found


def _messages(part: Part) -> list[Part]:
    """The messages attached anywhere, outer ones before those inside them."""
    found: list[Part] = []
    for child in part.children:
        if is_attached_message(part):
            found.append(child)
        found += _messages(child)
    return found


def _shown_headers(message: Part) -> list[str]:
    shown = []
    for name in ("From", "Date", "Subject", "To"):
        value = message.first(name.lower())
        if value is not None:
            shown.append(f"{name}: {readable(value, message.charset)[:500]}")
    return shown


def _is_filled(text: str | None) -> bool:
    return text is not None and not text.isspace() and text != ""


def _is_said(piece: _Piece) -> bool:
    return _is_filled(piece.text) or _is_filled(piece.html)


def _may_stand_in(text: str) -> bool:
    """Whether a plain text may only stand for a page: "Your email program does not show HTML", or "."."""
    if len(text) > LONGEST_STAND_IN:
        return False
    return "html" in text.lower() or not any(map(str.isalnum, text))


def _merged(below: list[list[_Piece]]) -> list[_Piece]:
    """The alternatives of RFC 2046 §5.1.4: the first plain one, and the last with HTML."""
    with_html = [pieces for pieces in below if any(piece.html is not None for piece in pieces)]
    plain = [pieces for pieces in below if pieces and pieces not in with_html]
    if not with_html:
        return next((pieces for pieces in plain if any(_is_filled(piece.text) for piece in pieces)), [])
    text = "\n".join(piece.text or "" for piece in plain[0]) if plain else None
    if not plain and len(with_html[-1]) > 1:
        return with_html[-1]
    return [_Piece(text, "\n".join(map(_page_of, with_html[-1])))]


def _page_of(piece: _Piece) -> str:
    if piece.html is not None:
        return piece.html
    return f'<div style="white-space: pre-wrap">{entities.escape(piece.text or "")}</div>'


def _charset(part: Part, data: bytes) -> str | None:
    if part.charset is None and part.content_type == "text/html":
        meta = _META_CHARSET.search(data, 0, 4096)
        return meta[1].decode("ascii") if meta else None
    return part.charset


def _plain(part: Part, text: str) -> str:
    if part.content_type in ("text/enriched", "text/richtext"):
        return _from_enriched(text)
    return _unflowed(part, text)


def _unflowed(part: Part, text: str) -> str:
    """RFC 3676: soft line ends are taken out, stuffed spaces too."""
    if part.kind.parameters.get("format", "").lower() != "flowed":
        return text
    deletes_space = part.kind.parameters.get("delsp", "").lower() == "yes"
    lines: list[list[str]] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_soft = content.endswith(" ") and content != "-- "
        body = content[:-1] if is_soft and deletes_space else content
        if open_depth == depth and content != "-- ":
            lines[-1].append(body)
        else:
            lines.append([(">" * depth + " " if depth else "") + body])
        open_depth = depth if is_soft else None
    return "\n".join("".join(pieces) for pieces in lines)


_ENRICHED_PARAMETER = re.compile(r"<param>[^<]*</param>", re.IGNORECASE)
_ENRICHED_BREAK = re.compile(r"<nl>", re.IGNORECASE)
_ENRICHED_TAG = re.compile(r"<(?!<)/?[A-Za-z0-9-]{1,60}>")


def _from_enriched(text: str) -> str:
    """text/enriched (RFC 1896) and text/richtext (RFC 1341) without their commands."""
    text = _ENRICHED_BREAK.sub("\n", _ENRICHED_PARAMETER.sub("", text))
    return _ENRICHED_TAG.sub("", text).replace("<<", "<")


def _take_report(part: Part, bodies: Bodies, limits: Limits) -> None:
    if part.content_type in _REPORTS:
        text = decoded(part.content()[: limits.header_bytes], part.charset)
        bodies.reports.append(body_text(text))


def _take_attachment(
    position: int, part: Part, drawn: frozenset[str], bodies: Bodies, limits: Limits, defects: Defects
) -> None:
    if len(bodies.attachments) >= limits.attachments:
        defects.add("too-many-attachments")
        return
    bodies.attachments.append(_attachment(position, part, drawn))


def _attachment(position: int, part: Part, drawn: frozenset[str]) -> Attachment:
    """The part as a person would save it."""
    content_id = _content_id(part) or None
    is_inline = part.disposition.value == "inline" or (
        content_id is not None and part.disposition.value != "attachment"
    )
    return Attachment(
        position=position,
        filename=part.filename or _made_up_name(position, part),
        content_type=part.content_type,
        size=part.content_length(),
        content_id=content_id,
        is_inline=is_inline,
        is_embedded=content_id in drawn and _may_be_drawn(part),
    )


def _content_id(part: Part) -> str:
    return one_line(part.text("content-id")).strip("<> ")


def _may_be_drawn(part: Part) -> bool:
    """Whether a page may draw the part instead of offering it: never what its sender calls an attachment."""
    is_picture = part.content_type in PICTURES and part.disposition.value != "attachment"
    return is_picture and bool(_content_id(part))


def _made_up_name(position: int, part: Part) -> str:
    """A name for a part that has none: of a message its subject, else a number."""
    if is_attached_message(part):
        subject = part.children[0].first("subject") if part.children else None
        title = readable(subject, None) if subject is not None else ""
        return (re.sub(r"[\\/:*?\"<>|]+", " ", title).strip(" .")[:80] or "message") + ".eml"
    return f"attachment-{position + 1}{_EXTENSIONS.get(part.content_type, '')}"
