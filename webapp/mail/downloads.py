"""Content that strangers wrote, handed out so that no browser runs it (reliability T14)."""

from collections.abc import Iterator
from urllib.parse import quote

from flask import Response

from mailboxes.filenames import safe_filename

OCTETS = "application/octet-stream"
# What is sent under its own name; everything else is bytes. Nothing of this is ever shown inline
# but pictures, and those only by `inline_picture`.
KNOWN_TYPES = frozenset(
    {
        *("application/pdf", "application/zip", "application/gzip", "text/plain", "text/csv"),
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"),
        *("audio/mpeg", "audio/ogg", "audio/wav", "video/mp4", "video/webm"),
        *("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.spreadsheet",
    }
)
_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_PICTURE_POLICY = "default-src 'none'; sandbox"


def download(content: bytes | Iterator[bytes], filename: str, content_type: str = OCTETS) -> Response:
    """An answer that a browser saves and never shows."""
    response = Response(content, content_type=content_type if content_type in KNOWN_TYPES else OCTETS)
    response.headers["Content-Disposition"] = disposition(filename)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "private, no-store"
    return response


def inline_picture(content: bytes, content_type: str) -> Response:
    """A picture, in a page or by itself; the caller has checked that it is one that browsers only draw."""
    response = Response(content, content_type=content_type)
    response.headers["Content-Security-Policy"] = _PICTURE_POLICY
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def disposition(filename: str) -> str:
    """``attachment`` with a cleaned name in both forms (RFC 6266, RFC 8187)."""
    name = safe_filename(filename)
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
