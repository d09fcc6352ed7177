"""What is in one message: its body made safe, its attachments, its source. Read from the raw each time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, cast
from uuid import UUID
from zipfile import ZIP_STORED, ZipFile

from sqlalchemy import Select, select

from mailboxes.filenames import distinct_filenames
from mailboxes.inbox.drawn import DRAWN, Body
from mailboxes.inbox.pictures import SHELF, is_drawable
from mailboxes.messages import Attachment, Message
from mailboxes.parsing import PICTURES, attachment_contents, headers_of, page_of
from mailboxes.raws import raw_content
from mailboxes.sanitizing import Images, plain_text_to_html, sanitize
from tenants.database import db
from tenants.errors import NotFoundError

LONGEST_SOURCE = 200_000  # characters of the source that a page shows
LARGEST_THUMBNAIL = 500_000  # bytes; a page does not load larger attached pictures unasked


@dataclass(frozen=True)
class Source:
    """A message as it came: its headers, unfolded, and the beginning of its bytes as text."""

    headers: tuple[tuple[str, str], ...]
    text: str
    is_cut: bool


def body_of(message: Message, *, images: Images, cid_url: Callable[[str], str | None]) -> Body:
    """The body of a message, safe to show in a frame of its own under a policy of its own."""
    if message.raw_id is None or not message.has_html:
        return Body(plain_text_to_html(message.text), is_plain=True)
    key = (message.organization_id, message.id, message.raw_id, images)
    return DRAWN.body(key, lambda: _made_safe(message, images, cid_url))


def _made_safe(message: Message, images: Images, cid_url: Callable[[str], str | None]) -> Body:
    html = page_of(_raw_of(message))
    if html is None:
        return Body(plain_text_to_html(message.text), is_plain=True)
    clean = sanitize(html, images=images, cid_url=cid_url)
    return Body(
        clean.html,
        is_plain=False,
        blocked_images=clean.remote_image_count if images == "block" else 0,
        is_cut=clean.is_cut,
        is_plainer=clean.is_plainer,
    )


def source_of(message: Message) -> Source:
    """The original, with all its headers. `NotFoundError` where no bytes were kept."""
    raw = _raw_of(message)
    text = raw[: 4 * LONGEST_SOURCE].decode("utf-8", "replace")
    return Source(headers_of(raw), text[:LONGEST_SOURCE], len(text) > LONGEST_SOURCE or len(raw) > len(text))


def bytes_of(message: Message) -> bytes:
    """The message as it came. `NotFoundError` where no bytes were kept."""
    return _raw_of(message)


def attachments_of(message: Message) -> Select[Attachment]:
    """What hangs on a message, in its order."""
    return select(Attachment).where(Attachment.message_id == message.id).order_by(Attachment.position)


def attachment_of(message: Message, position: int) -> tuple[Attachment, bytes]:
    """One attachment with its content; `NotFoundError` if there is none at that place."""
    attachment = db.session.scalar(attachments_of(message).where(Attachment.position == position))
    if attachment is None:
        raise NotFoundError
    return attachment, _content(_raw_of(message), position)


def inline_image_of(message: Message, content_id: str) -> tuple[Attachment, bytes]:
    """A picture that the body names by its Content-ID; `NotFoundError` if it is none a browser may draw."""
    return _picture(message, _pictures_of(message).where(Attachment.content_id == content_id))


def attached_picture_of(message: Message, position: int) -> tuple[Attachment, bytes]:
    """A picture among the attachments; `NotFoundError` if it is none a browser may draw."""
    return _picture(message, _pictures_of(message).where(Attachment.position == position))


def is_picture(attachment: Attachment) -> bool:
    """Whether a browser may draw it, and does nothing else with it."""
    return attachment.content_type in PICTURES


def _picture(message: Message, which: Select[Attachment]) -> tuple[Attachment, bytes]:
    attachment = db.session.scalar(which.limit(1))
    if attachment is None or message.raw_id is None:
        raise NotFoundError
    picture = SHELF.picture(
        (message.organization_id, message.raw_id),
        attachment.position,
        all=lambda: _drawn_pictures(message),
        one=lambda: _content(_raw_of(message), attachment.position),
    )
    if not is_drawable(picture):
        raise NotFoundError("This picture has too many pixels to be shown here. It can be saved.")
    return attachment, picture


def _pictures_of(message: Message) -> Select[Attachment]:
    return attachments_of(message).where(Attachment.content_type.in_(PICTURES))


def _drawn_pictures(message: Message) -> dict[int, bytes]:
    """Those that its page draws, unasked; a large one is read by itself."""
    pictures = db.session.scalars(_pictures_of(message))
    positions = [one.position for one in pictures if one.is_inline or one.size <= LARGEST_THUMBNAIL]
    return dict(zip(positions, _contents(_raw_of(message), positions), strict=True))


def zipped_attachments_of(message: Message) -> Iterator[bytes]:
    """All attachments that are not part of the body, as the pieces of a zip archive.

    Only one attachment is decoded at a time; nothing is ever unpacked.
    """
    attachments = list(db.session.scalars(attachments_of(message).where(Attachment.is_inline.is_(False))))
    if not attachments:
        raise NotFoundError
    names = distinct_filenames(one.filename for one in attachments)
    return _zipped(names, _contents(_raw_of(message), [one.position for one in attachments]))


def inline_content_ids(message_id: UUID) -> Select[str]:
    """The Content-IDs that a message's body may show pictures by."""
    return select(Attachment.content_id).where(
        Attachment.message_id == message_id,
        Attachment.content_id != "",
        Attachment.content_type.in_(PICTURES),
    )


class _Pieces:
    """A file that can only be written and remembers what was, until it is taken."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits here."""

    def taken(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)


def _zipped(names: Sequence[str], contents: Iterator[bytes]) -> Iterator[bytes]:
    file = _Pieces()
    with ZipFile(cast("IO[bytes]", file), "w", ZIP_STORED) as archive:
        for name, content in zip(names, contents, strict=True):
            archive.writestr(name, content)
            yield file.taken()
    yield file.taken()


def _content(raw: bytes, position: int) -> bytes:
    return next(_contents(raw, [position]))


def _contents(raw: bytes, positions: Sequence[int]) -> Iterator[bytes]:
    try:
        return attachment_contents(raw, positions)
    except IndexError:
        raise NotFoundError from None


def _raw_of(message: Message) -> bytes:
    if message.raw_id is None:
        raise NotFoundError("The original of this message was not kept here. Look for it on the mail server.")
    return raw_content(message.raw_id)
