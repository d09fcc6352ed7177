"""Bytes to text, whatever the message says its charset is.

Order: the declared charset, strict UTF-8, chardet over the first 64 kB, Windows-1252. Only codecs
from an allow-list are used: Python's registry also holds codecs that are quadratic (idna, punycode)
or that are no charsets at all (hex, zlib, unicode_escape).
"""

from __future__ import annotations

import codecs
import contextlib
import encodings
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from encodings.aliases import aliases
from functools import lru_cache

DETECTION_BYTES = 64 * 1024
MINIMUM_HIGH_BYTES = 5
SHORT = 1_000  # bytes
MOST_GUESSES = (
    100  # of short and of long texts of a message: one takes a millisecond, however little there is
)
LONGEST_LABEL = 200  # characters: what is remembered of strangers is short

_ALIASES = {
    "us-ascii": "ascii",
    "ansi_x3.4-1968": "ascii",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "utf-8-mb4": "utf-8",
    "unicode": "utf-8",
    "gb2312": "gb18030",
    "x-gbk": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "csgb2312": "gb18030",
    "gb2312-80": "gb18030",
    "gb_2312-80": "gb18030",
    "euc-cn": "gb18030",
    "x-euc-cn": "gb18030",
    "chinese": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "ksc_5601": "cp949",
    "euc-kr": "cp949",
    "euckr": "cp949",
    "cseuckr": "cp949",
    "korean": "cp949",
    "x-windows-949": "cp949",
    "windows-949": "cp949",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "ms_kanji": "cp932",
    "windows-31j": "cp932",
    "ms932": "cp932",
    "x-ms-cp932": "cp932",
    "x-euc-jp": "euc_jp",
    "x-euc": "euc_jp",
    "eucjp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "big-5": "big5hkscs",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "tis620": "cp874",
    "iso-8859-11": "cp874",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-macroman": "mac_roman",
    "mac": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ce": "mac_latin2",
    "x-mac-icelandic": "mac_iceland",
    "x-mac-japanese": "cp932",
    "x-mac-chinesesimp": "gb18030",
    "x-mac-chinesetrad": "big5hkscs",
    "x-mac-korean": "cp949",
    "x-mac-centraleurroman": "mac_latin2",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "koi": "koi8-r",
    "koi8-ru": "koi8-u",
    "ansi": "cp1252",
    "x-ansi": "cp1252",
    "x-user-defined": "cp1252",
    "x-cp1252": "cp1252",
    "visual": "iso8859-8",
    "hebrew": "iso8859-8",
    "x-viet-vps": "cp1258",
}
_UNKNOWN = frozenset(
    {"", "unknown", "unknown-8bit", "x-unknown", "default", "binary", "8bit", "7bit", "none"}
    | {"default_charset", "_charset_", "charset", "null", "undefined", "default-charset"}
)
_ALLOWED = re.compile(
    r"ascii|utf-(?:7|8|8-sig|16|16-le|16-be|32|32-le|32-be)|iso8859-\d+|cp\d+|koi8-[rtu]|kz1048"
    r"|mac-\w+|big5|big5hkscs|gb18030|gbk|gb2312|hz|johab|euc_\w+|shift_jis\w*|iso2022_\w+|ptcp154"
    r"|tis-620|hp-roman8"
)
_HIGH = re.compile(rb"[\x80-\xff]")
_SELDOM_1252 = re.compile(rb"[\x81\x83\x86-\x90\x98\x9a-\x9f]")  # no sign of Windows-1252
# Three in a row: another script than the Latin one, or a charset of several bytes.
_NOT_LATIN = re.compile(rb"[\x80-\xff]{3}")
# What mail in the Latin script is written in; what is detected beside these, few letters have misled.
_LATIN = re.compile(r"cp125[0247]|iso8859-(?:[1239]|1[356])")
_WESTERN = frozenset({"iso8859-1", "iso8859-15", "cp1252"})
_SUPERSETS = {"iso8859-1": "cp1252", "iso8859-9": "cp1254"}
_WINDOWS = re.compile(r"(?:windows|win|microsoft-?cp|x-cp|ms-?cp|cp)[-_ ]?(\d{3,4})")
_ISO = re.compile(r"(?:iso[-_ ]?)?8859[-_ ]?(\d{1,2})(?:[-_:]\w*)?")
_JIS_ESCAPE = re.compile(rb"\x1b(\$\(?[@BD]|\([BHIJ])")
_JIS_LETTER = re.compile(rb"[\x21-\x7e]{2}")
# C1 bytes that people type in Windows: €, quotation marks, dashes, …, ™, and letters.
_TYPED_1252 = re.compile(rb"[\x80\x82\x84\x85\x89\x8a\x8c\x8e\x91-\x97\x99-\x9c\x9e\x9f]")


_guesses: ContextVar[Counter[bool] | None] = ContextVar("_guesses", default=None)  # made so far, by shortness


@contextlib.contextmanager
def few_guesses() -> Iterator[None]:
    """Inside, at most `MOST_GUESSES` are made; what is left over is read as Windows-1252."""
    token = _guesses.set(Counter())
    try:
        yield
    finally:
        _guesses.reset(token)


def codec_of(label: str) -> str | None:
    """The Python codec for a charset label of a message, or None when it names none."""
    return _codec_of(label[:LONGEST_LABEL])


@lru_cache(maxsize=512)
def _codec_of(label: str) -> str | None:
    plain = re.sub(r"[\s\"';<>()]+", "", label.lower())[:60]
    plain = plain.removeprefix("charset=").split("*", 1)[0]
    if plain in _UNKNOWN:
        return None
    for candidate in _candidates(plain):
        name = _registered(candidate)
        if name is not None:
            return name
    return None


def _candidates(plain: str) -> list[str]:
    candidates = [_ALIASES.get(plain, plain)]
    if windows := _WINDOWS.fullmatch(plain):
        candidates.append(_ALIASES.get("cp" + windows[1], "cp" + windows[1]))
    if iso := _ISO.fullmatch(plain):
        candidates.append("iso8859-" + iso[1])
    candidates.append(plain.removeprefix("x-"))
    candidates.append(plain.replace("_", "-"))
    return candidates


def _registered(candidate: str) -> str | None:
    """The codec of that name. Python's registry is not asked for what it cannot know: it looks through files,
    and remembers each name that a stranger has made up for as long as the process lives.
    """
    name = encodings.normalize_encoding(candidate)
    if _names_of_codecs().isdisjoint((name, name.replace(".", "_"))):
        return None
    try:
        name = codecs.lookup(candidate).name
    except (LookupError, ValueError, UnicodeError):
        return None
    return name if _ALLOWED.fullmatch(name) else None


@lru_cache(maxsize=1)
def _names_of_codecs() -> frozenset[str]:
    return frozenset(aliases) | {module.name for module in pkgutil.iter_modules(encodings.__path__)}


def decoded(data: bytes, label: str | None) -> str:
    """``data`` as text; never raises, and says nothing of how sure it is."""
    text = decoded_strictly(data, label) or _decoded_by_guess(data, label)
    return text.removeprefix("\ufeff")


def decoded_strictly(data: bytes, label: str | None) -> str | None:
    """``data`` in its declared charset, or None where that does not work out."""
    codec = codec_of(label) if label else None
    if codec is None or _is_wide_by_mistake(codec, data):
        return None
    if codec in ("ascii", "utf-8") and b"\x1b$" in data:
        codec = "iso2022_jp_ext"  # its escape sequence; such mail is often not declared
    elif codec in _WESTERN and not data.isascii() and is_utf8(data):
        codec = "utf-8"  # by programs that say what they said before there was UTF-8
    elif codec in _SUPERSETS and _TYPED_1252.search(data):
        codec = _SUPERSETS[codec]  # as browsers do: C1 controls in Latin-1 are Windows' letters
    elif codec == "utf-16" and data[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        codec = "utf-16-be" if data[::2].count(0) > data[1::2].count(0) else "utf-16-le"
    try:
        return _decoded_by(codec, data)
    except (UnicodeError, ValueError):
        return None


def is_utf8(data: bytes) -> bool:
    """Whether data with letters beyond ASCII is UTF-8: what is not hardly ever looks like it."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded_by(codec: str, data: bytes) -> str:
    """Strictly; Japanese mail also with the letters that Windows adds to its charset (CP50221): ① ㈱."""
    try:
        return data.decode(codec)
    except UnicodeError:
        if codec != "iso2022_jp_ext" or b"\x1b$" not in data or not data.isascii():
            raise
        return _in_shift_jis(data).decode("cp932")


def _in_shift_jis(data: bytes) -> bytes:
    """ISO-2022-JP without its escape sequences, in the encoding for which Python knows these letters."""
    first, *rest = _JIS_ESCAPE.split(data)
    pieces = [first]
    for escape, text in zip(rest[::2], rest[1::2], strict=True):
        if escape == b"(I":  # half-width katakana
            pieces.append(bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in text))
        elif escape.startswith(b"$"):
            pieces.append(_JIS_LETTER.sub(lambda found: _shifted(*found[0]), text))
        else:
            pieces.append(text)
    return b"".join(pieces)


def _shifted(row: int, cell: int) -> bytes:
    """A letter of JIS X 0208 as Shift_JIS has it: two rows share a lead byte."""
    lead = (row - 0x21) // 2 + (0x81 if row < 0x5F else 0xC1)
    if row % 2 == 0:
        return bytes((lead, cell + 0x7E))
    return bytes((lead, cell + (0x1F if cell < 0x60 else 0x20)))


def _is_wide_by_mistake(codec: str, data: bytes) -> bool:
    """Text without a NUL is no UTF-16: it would become a row of Chinese letters."""
    return codec.startswith(("utf-16", "utf-32")) and b"\x00" not in data


def _decoded_by_guess(data: bytes, label: str | None) -> str:
    for codec in _likely_codecs(data):
        with contextlib.suppress(UnicodeError):
            return _decoded_by(codec, data)
    detected = _detected_codec(data)
    declared = codec_of(label) if label else None
    if declared is not None and declared != "ascii":
        text = data.decode(declared, "replace")
        if _is_mostly_right(text) or (detected is None and _SELDOM_1252.search(data)):
            return text
    return data.decode(detected or "cp1252", "replace")


def _likely_codecs(data: bytes) -> list[str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16", "utf-8"]
    return ["iso2022_jp_ext", "utf-8"] if b"\x1b$" in data else ["utf-8"]


def _is_mostly_right(text: str) -> bool:
    """Whether a text with replacements still has twice as many letters beyond ASCII."""
    replaced = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return beyond_ascii - replaced >= 2 * replaced


def _detected_codec(data: bytes) -> str | None:
    """What chardet says, if there is enough to go by: few bytes are mostly Windows-1252."""
    sample = data[:DETECTION_BYTES]
    if len(_HIGH.findall(sample)) < MINIMUM_HIGH_BYTES or not _may_guess(len(data) < SHORT):
        return None
    import chardet  # few messages need it, and most processes read none

    guess = None
    with contextlib.suppress(Exception):  # a detector may fail in any way; there is a default
        guess = chardet.detect(sample).get("encoding")
    codec = codec_of(guess) if guess else None
    if codec in ("ascii", "utf-8"):
        return None
    is_latin = codec is not None and _LATIN.fullmatch(codec) is not None
    return codec if is_latin or _NOT_LATIN.search(data) else None


def _may_guess(is_short: bool) -> bool:
    made = _guesses.get()
    if made is None:
        return True
    made[is_short] += 1
    return made[is_short] <= MOST_GUESSES
