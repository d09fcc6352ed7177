"""Texts as records keep them: trimmed, without control characters, of a sane length; names split."""

import re
import unicodedata

NAME_LENGTH = 255
NOTES_LENGTH = 50_000
TAG_LENGTH, TAG_COUNT = 50, 20
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")
_SPACES = re.compile(r"\s+")


def one_line(text: str, length: int = NAME_LENGTH) -> str:
    """A line without control and invisible direction characters, cut with an ellipsis."""
    visible = "".join(" " if _is_space(sign) else sign for sign in text if not _is_hidden(sign))
    line = _SPACES.sub(" ", visible).strip()
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def notes(text: str, length: int = NOTES_LENGTH) -> str:
    """A text of several lines, cut with an ellipsis."""
    clean = text.replace("\r\n", "\n").replace("\x00", "").strip()
    return clean if len(clean) <= length else clean[: length - 1].rstrip() + "…"


def is_address(text: str) -> bool:
    """Whether this looks like one email address and nothing else."""
    return len(text) <= 320 and _ADDRESS.fullmatch(text) is not None


def tags(text: str) -> list[str]:
    """Tags from a line with commas; each once, whatever its case, in the order written."""
    return unique_tags(text.split(","))


def tag_word(text: str) -> str:
    """A word as tags are, however long: a composed line that begins with neither ``#`` nor a blank."""
    return unicodedata.normalize("NFC", one_line(text, len(text))).lstrip("# ")


def unique_tags(words: list[str]) -> list[str]:
    """Tags without ``#``, blanks and repetitions."""
    found: dict[str, str] = {}
    for word in words:
        tag = one_line(tag_word(word), TAG_LENGTH)
        if tag:
            found.setdefault(tag.casefold(), tag)
    return list(found.values())[:TAG_COUNT]


def display_name(name: str, address: str) -> str:
    """The name a sender gives, or "" where it poses as an address that is not theirs."""
    line = one_line(name).strip("\"' ")
    if "@" in unicodedata.normalize("NFKC", line) and line.casefold() != address.casefold():
        return ""
    return "" if line.casefold() == address.casefold() else line


# Nobody is greeted by their title alone.
_TITLES = frozenset({"dr", "prof", "mr", "mrs", "ms", "miss", "sir", "herr", "frau", "mme", "sr", "sra"})


def split_name(name: str, address: str = "") -> tuple[str, str]:
    """First and last name: ``Ada Lovelace``, ``Lovelace, Ada``; without a name, from the address.

    >>> split_name("", "ada.lovelace@example.com")
    ('Ada', 'Lovelace')
    """
    line = display_name(name, address)
    if line:
        last, comma, first = line.partition(",")
        if comma and first.strip() and "," not in first:
            return " ".join(_untitled(first.split())), last.strip()
        words = line.split()
        untitled = _untitled(words)
        if len(untitled) < len(words) and len(untitled) == 1:
            return "", untitled[0]
        return untitled[0], " ".join(untitled[1:])
    words = [word for word in re.split(r"[._\-+]+", address.partition("@")[0]) if word]
    if not words:
        return "", ""
    names = [word[:1].upper() + word[1:] for word in words if not word.isdigit()] or words
    return one_line(names[0]), one_line(" ".join(names[1:]))


def _untitled(words: list[str]) -> list[str]:
    """Without the titles before a name, as long as something stays."""
    while len(words) > 1 and words[0].casefold().rstrip(".") in _TITLES:
        words = words[1:]
    return words


def _is_space(sign: str) -> bool:
    return sign.isspace() or sign in "\u2028\u2029"


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn") and not sign.isspace()
