"""What a message is once it is read: frozen values, no behaviour worth the name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a message is read (reliability T13). What lies beyond stays in the raw.

    Sizes are bytes of the raw, except ``text_characters``, which caps each decoded body.
    """

    depth: int = 40
    parts: int = 1_000
    header_bytes: int = 256 * 1024
    headers: int = 2_000
    addresses: int = 500
    attachments: int = 100
    references: int = 200
    subject_characters: int = 2_000
    text_characters: int = 2_000_000
    html_for_text: int = 1_000_000


DEFAULT = Limits()

# What a browser only ever draws; SVG is a document and not among them.
PICTURES = frozenset(
    {"image/png", "image/jpeg", "image/jpg", "image/pjpeg", "image/gif", "image/webp", "image/bmp"}
)


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox of RFC 5322 §3.4; ``address`` is as written, with its case."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that a person would save. ``size``: how many bytes its decoded content has.

    ``position`` counts the leaf parts of the message from 0; ``attachment_contents`` takes it.
    ``is_inline``: its sender says so. ``is_embedded``: the page draws it, by its Content-ID, so that it
    need not be offered beside the page.
    """

    position: int
    filename: str
    content_type: str
    size: int
    content_id: str | None
    is_inline: bool
    is_embedded: bool = False


@dataclass(frozen=True, slots=True)
class PartSummary:
    """One part of the tree, for whoever needs its shape and not its content."""

    depth: int
    content_type: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """One RFC 5322 message, as far as it could be understood; ``defects`` says where it could not.

    Message ids are without angle brackets. ``sent_at`` is aware UTC. ``html`` is as sent: sanitize
    it before showing it. ``headers`` are unfolded, decoded and free of control characters, in
    order. ``text`` ends with the texts of attached messages: the first ``own_text_length`` characters
    are the message's own. ``reports`` are the texts of delivery-status and feedback-report parts,
    ``returned_headers`` the header block of the message that a bounce gives back. ``stable_hash`` is
    that of `mailboxes.parsing.stable_hash`, where the default limits apply.
    """

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    sent_at: datetime | None
    sender: Address | None
    senders: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    subject: str
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    headers: tuple[tuple[str, str], ...]
    defects: tuple[str, ...]
    size: int
    own_text_length: int = 0
    is_text_from_html: bool = False
    parts: tuple[PartSummary, ...] = ()
    reports: tuple[str, ...] = ()
    returned_headers: str = ""
    calendar_methods: tuple[str, ...] = ()
    stable_hash: bytes = b""

    @property
    def own_text(self) -> str:
        """The text without that of attached messages."""
        return self.text[: self.own_text_length]

    @property
    def offered_count(self) -> int:
        """How many attachments are offered beside the page: all that it does not draw."""
        return sum(not attachment.is_embedded for attachment in self.attachments)

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next(iter(self.all_headers(name)), None)

    def all_headers(self, name: str) -> list[str]:
        """Every header of that name, in any case and in order."""
        wanted = name.lower()
        length = len(wanted)  # names are ASCII: one of another length is another one
        return [value for key, value in self.headers if len(key) == length and key.lower() == wanted]


@dataclass(slots=True)
class Defects:
    """What was wrong with a message: short codes, each once, in the order they were met."""

    codes: dict[str, None] = field(default_factory=dict)

    def add(self, code: str) -> None:
        """Remember ``code``."""
        self.codes[code] = None

    def listed(self) -> tuple[str, ...]:
        """All codes."""
        return tuple(self.codes)
