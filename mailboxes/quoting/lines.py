"""The lines of a text as all rules look at them: the beginning of each, without marks that nobody sees."""

import re
from typing import Literal

MAXIMUM_LINE = 600  # characters of a line that are looked at

Kind = Literal["reply", "quotation", "signature"]

_DIRECTIONS = re.compile("[\u200b-\u200d\u2060\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_QUOTED = re.compile(r"[ \t]{0,3}(?:>|&gt;|»)")
DRAWN = r"[-_=*\u2010-\u2015]"  # of what mailers draw lines
_DRAWN = re.compile(rf"\s*+{DRAWN}{{2,}}+\s*+$")
_RULE = re.compile(rf"\s*+{DRAWN}{{5,}}+\s*+$")
# A day and a year: a time alone stands in anybody's sentences.
DATE = (
    r"(?:(?<!\d)(?:\d{1,2}[-/.]\s?){2}(?:\d{4}|\d\d)(?!\d)"
    r"|(?<!\d)\d{4}[-/.年년]\s?\d{1,2}"
    r"|(?<!\d)\d{1,2}[^<\d]{1,20}(?![03-9])\d{4}(?!\d))"
)


def any_of(*alternatives: str) -> str:
    """A pattern that matches one of these; nearly always a look at the first letter tells that none does."""
    first = {_first_letters(one) for one in alternatives}
    glance = "" if "" in first else f"(?=[{''.join(sorted(first))}])"
    return f"{glance}(?:{'|'.join(alternatives)})"


def _first_letters(pattern: str) -> str:
    """What it can begin with, as in a set; empty if that is more than a look tells."""
    found = re.match(r"\[([^]\\^-]+)\]|(\w)(?![?*{])", pattern)
    return (found[1] or found[2]) if found is not None else ""


def is_rule(line: str) -> bool:
    """Whether a line is drawn, out of hyphens and the like."""
    return _RULE.match(line) is not None


def is_drawn(line: str) -> bool:
    """Whether a line holds nothing but hyphens and the like, were they only two."""
    return _DRAWN.match(line) is not None


def has_quotation_mark(line: str) -> bool:
    """Whether a line begins with the mark of what is quoted."""
    return line[:1] == ">" or _QUOTED.match(line) is not None


class Lines:
    """``texts``: what is looked at of each line; ``last``: its last character, none of a blank line."""

    def __init__(self, lines: list[str]) -> None:
        self.texts = [_visible(line[:MAXIMUM_LINE]) for line in lines]
        self.last = [line.rstrip()[-1:] for line in self.texts]

    def is_quoted(self, index: int) -> bool:
        """Whether a line is marked as quoted: by more than the mark with which mbox escapes "From "."""
        line = self.texts[index]
        if not has_quotation_mark(line):
            return False
        is_mbox_escape = line.startswith(">From ") and not self._near_is_quoted(index)
        return not is_mbox_escape

    def next_text(self, index: int) -> int | None:
        """The next line that is not blank, from this one on, if it is near."""
        for following in range(index, min(index + 4, len(self.texts))):
            if self.last[following]:
                return following
        return None

    def _near_is_quoted(self, index: int) -> bool:
        near = self.texts[max(index - 1, 0) : index] + self.texts[index + 1 : index + 2]
        return any(_QUOTED.match(line) for line in near)


def _visible(line: str) -> str:
    """A line without the marks that turn the direction of reading: mailers put them around anything."""
    return line if line.isascii() else _DIRECTIONS.sub("", line)
