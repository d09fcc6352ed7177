"""Which parts are the text, which the page, and which are attachments."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from mailboxes.parsing.charsets import decoded
from mailboxes.parsing.cleaning import body_text, one_line
from mailboxes.parsing.parts import Part
from mailboxes.parsing.values import Attachment, Defects, Limits

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_TEXT_TYPES = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext"})
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_EXTENSIONS = {
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "message/rfc822": ".eml",
}


@dataclass(slots=True)
class Bodies:
    """What the tree of parts comes to."""

    texts: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)


def units(part: Part) -> list[Part]:
    """The parts that are text or attachment: leaves, and attached messages as one thing each."""
    if part.depth > 0 and is_attached_message(part):
        return [part]
    if not part.children:
        return [part]
    return [unit for child in part.children for unit in units(child)]


def is_attached_message(part: Part) -> bool:
    """Whether the part is a whole message inside the message."""
    return part.content_type in _MESSAGE_TYPES


def bodies_of(tree: Part, limits: Limits, defects: Defects) -> Bodies:
    """Sort the parts of a message."""
    bodies = Bodies()
    hidden = _hidden_alternatives(tree)
    for position, unit in enumerate(units(tree)):
        if is_text(unit):
            if id(unit) not in hidden:
                _take_text(unit, bodies, limits, defects)
        else:
            _take_attachment(position, unit, bodies, limits, defects)
    return bodies


def _hidden_alternatives(_tree: Part) -> set[int]:
    return set()


def is_text(part: Part) -> bool:
    """Whether the part is shown as the message itself."""
    if part.content_type not in _TEXT_TYPES or part.disposition.value == "attachment":
        return False
    return not part.filename or part.depth == 0


def _take_text(part: Part, bodies: Bodies, limits: Limits, defects: Defects) -> None:
    data = part.content()
    if len(data) > limits.text_characters:
        defects.add("text-cut")
        data = data[: limits.text_characters]
    text = body_text(decoded(data, _charset(part, data)))
    if part.content_type == "text/html":
        bodies.pages.append(text)
    elif part.content_type == "text/plain":
        bodies.texts.append(_unflowed(part, text))
    else:
        bodies.texts.append(_from_enriched(text))


def _charset(part: Part, data: bytes) -> str | None:
    if part.charset is None and part.content_type == "text/html":
        meta = _META_CHARSET.search(data, 0, 4096)
        return meta[1].decode("ascii") if meta else None
    return part.charset


def _unflowed(part: Part, text: str) -> str:
    """RFC 3676: soft line ends are taken out, stuffed spaces too."""
    if part.kind.parameters.get("format", "").lower() != "flowed":
        return text
    deletes_space = part.kind.parameters.get("delsp", "").lower() == "yes"
    lines: list[str] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_soft = content.endswith(" ") and content != "-- "
        body = content[:-1] if is_soft and deletes_space else content
        if open_depth == depth and content != "-- ":
            lines[-1] += body
        else:
            lines.append((">" * depth + " " if depth else "") + body)
        open_depth = depth if is_soft else None
    return "\n".join(lines)


_ENRICHED_PARAMETER = re.compile(r"(?is)<param>[^<]*</param>")
_ENRICHED_TAG = re.compile(r"<(?!<)/?[A-Za-z0-9-]{1,60}>")


def _from_enriched(text: str) -> str:
    """text/enriched (RFC 1896) without its commands."""
    return _ENRICHED_TAG.sub("", _ENRICHED_PARAMETER.sub("", text)).replace("<<", "<")


def _take_attachment(position: int, part: Part, bodies: Bodies, limits: Limits, defects: Defects) -> None:
    if part.content_type.startswith("message/") or part.content_type == "text/rfc822-headers":
        _take_report(part, bodies, limits)
    if len(bodies.attachments) >= limits.attachments:
        defects.add("too-many-attachments")
        return
    if _is_listed(part):
        bodies.attachments.append(attachment(position, part))


def _take_report(part: Part, bodies: Bodies, limits: Limits) -> None:
    if part.content_type not in _MESSAGE_TYPES:
        text = decoded(part.content()[: limits.header_bytes], part.charset)
        bodies.reports.append(body_text(text))


def _is_listed(_part: Part) -> bool:
    return True


def attachment(position: int, part: Part) -> Attachment:
    """The part as a person would save it."""
    content = part.content()
    content_id = one_line(part.text("content-id")).strip("<> ") or None
    is_inline = part.disposition.value == "inline" or (
        content_id is not None and part.disposition.value != "attachment"
    )
    return Attachment(
        position=position,
        filename=part.filename or _made_up_name(position, part),
        content_type=part.content_type,
        size=len(content),
        content_id=content_id,
        is_inline=is_inline,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _made_up_name(_position: int, _part: Part) -> str:
    return ""
