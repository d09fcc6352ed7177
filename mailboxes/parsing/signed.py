"""What an opaque signature of S/MIME is about (RFC 5652 §5): read as it lies there, and not verified."""

from __future__ import annotations

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_DATA = bytes.fromhex("06092a864886f70d010701")
_SEQUENCE, _EXPLICIT, _OCTETS, _OCTETS_IN_PIECES = 0x30, 0xA0, 0x04, 0x24
_END = b"\0\0"
_LONGEST_LENGTH = 6  # bytes


def signed_content(data: bytes) -> bytes | None:
    """The content of a SignedData in BER or DER; None if it is none, or signs something elsewhere."""
    try:
        at = _behind(data, _entered(data, 0, _SEQUENCE), _SIGNED_DATA)
        at = _entered(data, _entered(data, at, _EXPLICIT), _SEQUENCE)
        at = _after(data, _after(data, at))  # version, digest algorithms
        at = _behind(data, _entered(data, at, _SEQUENCE), _DATA)
        return _octets(data, _entered(data, at, _EXPLICIT))
    except (ValueError, IndexError):
        return None


def _header(data: bytes, at: int) -> tuple[int, int, int | None]:
    """The tag, where the content begins, and its length: None where an end mark follows it."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length < 0x80:
        return tag, start, length
    count = length - 0x80
    if count > _LONGEST_LENGTH:
        raise ValueError("no length of a message")
    length = int.from_bytes(data[start : start + count], "big")
    return tag, start + count, length if count else None


def _entered(data: bytes, at: int, wanted: int) -> int:
    """Where the content of this element begins."""
    tag, start, _ = _header(data, at)
    if tag != wanted:
        raise ValueError("another element")
    return start


def _behind(data: bytes, at: int, wanted: bytes) -> int:
    if not data.startswith(wanted, at):
        raise ValueError("another kind of content")
    return at + len(wanted)


def _after(data: bytes, at: int) -> int:
    """Where the next element begins."""
    depth = 0
    while True:
        if depth and data.startswith(_END, at):
            at, depth = at + len(_END), depth - 1
        else:
            _, start, length = _header(data, at)
            at, depth = (start, depth + 1) if length is None else (start + length, depth)
        if not depth:
            return at


def _octets(data: bytes, at: int) -> bytes:
    """An octet string, also one in pieces."""
    tag, start, length = _header(data, at)
    if tag == _OCTETS and length is not None:
        return data[start : start + length]
    if tag != _OCTETS_IN_PIECES:
        raise ValueError("no octet string")
    end = len(data) if length is None else start + length
    pieces = []
    while start < end and not data.startswith(_END, start):
        tag, at, size = _header(data, start)
        if tag != _OCTETS or size is None:
            raise ValueError("no piece of an octet string")
        pieces.append(data[at : at + size])
        start = at + size
    return b"".join(pieces)
