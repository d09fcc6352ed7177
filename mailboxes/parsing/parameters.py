"""``Content-Type`` and ``Content-Disposition`` with their parameters (RFC 2045 §5.1, RFC 2231).

Read: unquoted values with spaces, missing or doubled semicolons, parameters without a name,
encoded words in values, RFC 2231 continuations and charsets, and both kinds mixed.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from mailboxes.parsing.charsets import codec_of, decoded
from mailboxes.parsing.cleaning import one_line
from mailboxes.parsing.encoded_words import decoded_words

MAXIMUM_PARAMETERS = 200

_NAME = re.compile(r"[\s;]*([^\s=;\"]+)\s*=\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_DOUBLY_QUOTED = re.compile(r'""[^";\s]')  # ""a name.pdf"", by programs that quote what is quoted
_SKIP = re.compile(r"[\s;]*+[^;]*;?")
_ESCAPED = re.compile(r"\\([\"\\])")
_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+*-]+)\s*/\s*([A-Za-z0-9!#$&^_.+*-]+)")
_WORD = re.compile(r"\s*\"?([A-Za-z0-9_-]+)")
_NEXT_PARAMETER = re.compile(r"(?<!\s)\s+[A-Za-z0-9*-]+=(?![=?])")
_EXTENDED = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")


class Parameterized(NamedTuple):
    """A value such as ``text/plain`` in lower case, and its parameters by lower-case name."""

    value: str
    parameters: dict[str, str]


class _Piece(NamedTuple):
    number: int
    is_encoded: bool
    text: str


def content_type(line: str) -> Parameterized:
    """A Content-Type; the value is ``""`` when it is none."""
    found = _TYPE.match(line)
    value = f"{found[1]}/{found[2]}".lower() if found else _lone_type(line)
    start = found.end() if found else max(line.find(";"), 0)
    return Parameterized(value, parameters(line[start:]))


def _lone_type(line: str) -> str:
    """Old mailers write ``Content-Type: text``."""
    return "text/plain" if line.strip().split(";")[0].strip().lower() == "text" else ""


def disposition(line: str) -> Parameterized:
    """A Content-Disposition; also one that begins with its parameters."""
    found = _WORD.match(line)
    if found is None:
        return Parameterized("", parameters(line))
    if line[found.end() :].lstrip().startswith("="):
        return Parameterized("", parameters(line))
    return Parameterized(found[1].lower(), parameters(line[found.end() :]))


def parameters(text: str) -> dict[str, str]:
    """All parameters, decoded and safe for one line; of a repeated name the first counts."""
    plain: dict[str, str] = {}
    pieces: dict[str, list[_Piece]] = {}
    for name, value in _raw_parameters(text):
        extended = _EXTENDED.fullmatch(name)
        if extended is None or (extended[2] is None and extended[3] is None):
            plain.setdefault(name, _cleaned(name, value))
            continue
        piece = _Piece(int(extended[2] or 0), bool(extended[3]), value)
        pieces.setdefault(extended[1], []).append(piece)
    for name, parts in pieces.items():
        plain[name] = one_line(_joined(parts))
    return plain


def _cleaned(name: str, value: str) -> str:
    """A boundary is taken literally: blanks at its end belong to it."""
    return value if name == "boundary" else one_line(decoded_words(value))


def _raw_parameters(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text) and len(found) < MAXIMUM_PARAMETERS:
        name = _NAME.match(text, position)
        if name is None:
            skipped = _SKIP.match(text, position)
            position = skipped.end() if skipped else len(text)
            continue
        value, position = _value_at(text, name.end())
        found.append((name[1].lower(), value))
    return found


def _value_at(text: str, start: int) -> tuple[str, int]:
    if _DOUBLY_QUOTED.match(text, start):
        start += 1
    elif text[start : start + 1] == '"':
        quoted = _QUOTED.match(text, start)
        if quoted:
            return _ESCAPED.sub(r"\1", quoted[1]), quoted.end()
        start += 1
    end = text.find(";", start)
    end = len(text) if end < 0 else end
    value = text[start:end]
    following = _NEXT_PARAMETER.search(value)  # a semicolon was forgotten
    if following:
        return value[: following.start()].strip().strip('"'), start + following.start()
    return value.strip().strip('"'), end


def _joined(pieces: list[_Piece]) -> str:
    """RFC 2231 §3 and §4: pieces in the order of their numbers, percent-decoded where marked."""
    ordered = sorted(pieces, key=lambda piece: piece.number)
    charset, text = "", []
    run = b""
    for index, piece in enumerate(ordered):
        value = piece.text
        if index == 0 and piece.is_encoded:
            charset, value = _charset_and_value(value)
        if piece.is_encoded:
            run += unquote_to_bytes(value)
            continue
        text.append(decoded(run, charset) + value if run else value)
        run = b""
    if run:
        text.append(decoded(run, charset))
    return decoded_words("".join(text))


def _charset_and_value(value: str) -> tuple[str, str]:
    """``charset'language'value``; the apostrophes are often missing."""
    head, _, rest = value.partition("'")
    _language, mark, content = rest.partition("'")
    if mark and (not head or codec_of(head) or "%" not in head):
        return head, content
    return "", value
