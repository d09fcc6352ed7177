"""Content-Transfer-Encodings undone (RFC 2045 §6), as much of the content as can be saved."""

from __future__ import annotations

import binascii
import re

SAMPLE = 4_096  # bytes in which errors are counted
SHORT = 60
TWO_LINES = 2 * 76
MOST_RUNS = 1_000  # of padded base64, one after another

_BETWEEN_WORDS = re.compile(rb"(?<=[A-Za-z0-9]) +(?=[A-Za-z0-9])|[^A-Za-z0-9+/=\s]")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
# From the beginning on nothing but base64: to its padding, over lines of full length to a shorter one, or
# over lines of whole groups.
_REGULAR = re.compile(
    rb"[A-Za-z0-9+/\r\n]++={1,2}[ \t]*+\r*+(?:\n|\Z)|(?>[A-Za-z0-9+/]{60,}+\r*+\n)++[A-Za-z0-9+/]*+"
    rb"|(?>(?>[A-Za-z0-9+/]{4})++\r*+\n)++"
)
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=\s]")
_PADDING = re.compile(rb"=+")
# Between the "=" and the end of a line, white space was added on the way (RFC 2045 §6.7, rule 3).
_SOFT_BREAK = re.compile(rb"=(?:[ \t]++(?=\r*\n)|\r(?!\r*\n))")
LONE_CR = re.compile(rb"\r(?!\n)")
_UU_BEGIN = re.compile(rb"(?m)^begin[ \t]++[0-7]{3,4}[ \t]++([^\r\n]*+)\r*+$")
_UU_FILE = re.compile(
    rb"(?m)^begin[ \t]++[0-7]{3,4}[ \t]++[^\r\n]++\r*+\n"
    rb"((?>[!-_][ -`]{0,90}+\r*+\n)++)(?>[` ]?\r*+\n)?+end[ \t]*+\r*+$"
)
_UU_LINE = re.compile(rb"[^\n]++")
_UU_NAMES = frozenset({"x-uuencode", "uuencode", "x-uue", "uue", "x-uu"})


def content_of(data: bytes, encoding: str) -> bytes:
    """``data`` decoded; an unknown encoding leaves it as it is."""
    if encoding == "base64":
        return from_base64(data)
    if encoding == "quoted-printable":
        return from_quoted_printable(data)
    if encoding in _UU_NAMES:
        return from_uuencode(data)
    return data


def length_of_content(data: bytes, encoding: str) -> int:
    """How many bytes `content_of` gives."""
    length = _length_of_regular_base64(data) if encoding == "base64" else None
    return len(content_of(data, encoding)) if length is None else length


def _length_of_regular_base64(data: bytes) -> int | None:
    """The length of what mail programs encode: whole groups, padding at the end alone.

    None for anything else, and for what is short. A large file is not decoded only to be counted. Foreign
    characters are looked for where they stand: at the beginning, and in a footer at the end.
    """
    if len(data) < SAMPLE or not data.isascii():
        return None
    if _FOREIGN.search(data, 0, SAMPLE) or _FOREIGN.search(data, len(data) - SAMPLE):
        return None
    joined = _without_white_space(data)
    unpadded = joined.rstrip(b"=")
    is_regular = len(joined) % 4 == 0 and len(joined) - len(unpadded) <= 2 and b"=" not in unpadded
    return len(unpadded) * 3 // 4 if is_regular else None


def from_quoted_printable(data: bytes) -> bytes:
    """Quoted-printable, also where a server padded its lines or they end with a bare CR."""
    if b"= " in data or b"=\t" in data or LONE_CR.search(data):  # found faster than the pattern
        data = _SOFT_BREAK.sub(_soft_break, data)
    return binascii.a2b_qp(data)


def _soft_break(found: re.Match[bytes]) -> bytes:
    return b"=\n" if found[0] == b"=\r" else b"="


def from_base64(data: bytes) -> bytes:
    """Base64 with foreign characters, missing padding, or several padded runs one after another.

    Text that a list or a scanner appended below the padding is left out.
    """
    try:
        return binascii.a2b_base64(_without_white_space(data), strict_mode=True)
    except binascii.Error:
        pass
    regular = _REGULAR.match(data)
    end = regular.end() if regular else 0
    if _is_prose(data[end : end + SAMPLE]):
        return _run(data[:end]) if _is_content(data[:end]) else data  # declared by mistake
    padding = _PADDING.search(data)
    if padding and _FOREIGN.search(data, padding.end()):
        return _run(data[: padding.start()])
    if padding is None or not data[padding.end() :].strip():
        return _run(data[: padding.start()] if padding else data)
    *runs, rest = _PADDING.split(data, MOST_RUNS)
    return b"".join(map(_run, runs)) + _run(rest)


def _without_white_space(data: bytes) -> bytes:
    lines = data.replace(b"\r", b"").replace(b"\n", b"")  # many times as fast as a translation
    return lines.translate(None, b" \t") if b" " in lines or b"\t" in lines else lines


def _is_prose(data: bytes) -> bool:
    """Whether the beginning is rather words with blanks than base64 with a few errors."""
    sample = data[:SAMPLE]
    return len(sample) > SHORT and len(_BETWEEN_WORDS.findall(sample)) * 50 > len(sample)


def _is_content(data: bytes) -> bool:
    """Whether what stands above prose is encoded, rather than a word or a drawn line of the prose itself."""
    joined = _without_white_space(data)
    is_whole = len(joined) % 4 == 0 and joined != b""
    return len(joined) > TWO_LINES or (is_whole and _is_readable(_run(joined)))


def _is_readable(data: bytes) -> bool:
    """Whether it is UTF-8, or nearly: in other charsets a few letters are not."""
    text = data.translate(None, b"\r\n\t").decode("utf-8", "replace")
    return text.isprintable() and text.count("\ufffd") * 4 <= len(text)


def _run(data: bytes) -> bytes:
    kept = _NOT_BASE64.sub(b"", data).replace(b"=", b"")
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def from_uuencode(data: bytes) -> bytes:
    """The file between ``begin`` and ``end``; without ``begin``, the data as it is."""
    begin = _UU_BEGIN.search(data)
    if begin is None:
        return data
    decoded: list[bytes] = []
    for line in data[begin.end() :].lstrip(b"\r\n").split(b"\n"):
        line = line.rstrip(b"\r\n")
        if line.strip() == b"end":
            break
        decoded.append(_uu_line(line))
    return b"".join(decoded)


def uuencoded_files(raw: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where in a text whole files lie, from ``begin`` to behind ``end``; what only looks so is none."""
    if raw.find(b"begin ", start, end) < 0:
        return []
    found = _UU_FILE.finditer(raw, start, end)
    return [file.span() for file in found if _are_uu_lines(raw, *file.span(1))]


def _are_uu_lines(raw: bytes, start: int, end: int) -> bool:
    """Whether lines are as long as they say; below a full one, blanks at the end may have been stripped."""
    lines = (line[0] for line in _UU_LINE.finditer(raw, start, end))
    is_full = raw.startswith(b"M", start)
    return _is_uu_line(next(lines), is_stripped=False) and all(
        _is_uu_line(line, is_stripped=is_full) for line in lines
    )


def _is_uu_line(line: bytes, *, is_stripped: bool) -> bool:
    """Whether a line is as long as it says, give or take blanks at its end and a checksum."""
    length = (line[0] - 32 & 63) + 2
    shortest = 1 if is_stripped else length * 4 // 3 - 2
    return shortest <= len(line.rstrip(b"\r")) <= length // 3 * 4 + 2


def uuencoded_name(data: bytes) -> str | None:
    """The file name in a ``begin`` line."""
    begin = _UU_BEGIN.search(data)
    return begin[1].decode("utf-8", "replace").strip() if begin else None


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        pass
    if not line:
        return b""
    wanted = (((line[0] - 32) & 63) * 4 + 5) // 3  # some encoders write trailing garbage
    try:
        return binascii.a2b_uu(line[:wanted])
    except binascii.Error:
        return b""
