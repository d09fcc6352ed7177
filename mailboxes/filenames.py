"""Names of attachments that are safe to save under. Pure (reliability T14)."""

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 120  # characters, the ending included
NAMELESS = "attachment"

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_SPACE = re.compile(r"\s+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe_filename(name: str) -> str:
    """A name that means one file in one folder on every system, and looks like what it is.

    Path separators, control and direction characters go, names of devices get a prefix, the
    ending survives a cut.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    text = "".join(c for c in _SPACE.sub(" ", text) if unicodedata.category(c) not in _INVISIBLE)
    text = _SPACE.sub(" ", text)  # what stood between two spaces may have gone
    text = _FORBIDDEN.sub("_", text).strip(" .~")
    text = _cut(text)
    if not text:
        return NAMELESS
    return f"_{text}" if _RESERVED.match(text) else text


def distinct_filenames(names: Iterable[str]) -> list[str]:
    """Safe names, none twice (in any case), in the same order: ``a.txt``, ``a (2).txt``."""
    taken: set[str] = set()
    found = []
    for name in map(safe_filename, names):
        stem, dot, ending = name.rpartition(".")
        number, candidate = 1, name
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{stem} ({number}).{ending}" if dot else f"{name} ({number})"
        taken.add(candidate.casefold())
        found.append(candidate)
    return found


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    stem, dot, ending = text.rpartition(".")
    if not dot or len(ending) > 12:
        return text[:LONGEST].rstrip(" .")
    return f"{stem[: LONGEST - len(ending) - 1].rstrip(' .')}.{ending}"
