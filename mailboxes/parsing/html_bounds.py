"""How much work the tree of a page would be, told from its tags before it is built.

Hostile HTML costs more than its text: scopes are searched through all open elements, letters that are
never closed (``<b>``) are opened anew in each paragraph, attributes are compared with each other, those of
all ``<html>`` as of one, and what stands between cells is moved before the table, one after another. Tags
are read as browsers read them (HTML §13.2.5), so that none hides in a comment or a quote; what may be no end
is taken for none.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

MOST_ATTRIBUTES = 1_000  # of one element, however many tags they are taken from
MOST_MOVED = 1_000  # pieces that stand in a table outside of its cells, and are moved before it
MOST_REOPENED = 500_000  # elements that letters left open may come to
MOST_DRAWN = 1_000_000  # characters of a page that are drawn
DEEPEST_DRAWN = 250  # elements inside each other; a page with more is shown as text
SMALL = 20_000  # characters in which no element has so many attributes that it matters

_BLANK = r"[ \t\n\f\r]"  # no other white space counts here
_ATTRIBUTE = re.compile(
    r"(?:=[^ \t\n\f\r/>=]*+|[^ \t\n\f\r/>=]++)"
    rf"(?>{_BLANK}*+={_BLANK}*+(?:\"[^\"]*+\"|'[^']*+'|(?=>)|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+))?+"
)
_TAG = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<(?:[!?]|/(?![A-Za-z]))[^>]*+(?:>|\Z)"
    r"|<(?P<slash>/?)(?P<name>[A-Za-z][^ \t\n\f\r/>]*+)"
    rf"(?P<attributes>(?>[ \t\n\f\r/]++|{_ATTRIBUTE.pattern})*+)(?:>|\Z)",
    re.DOTALL,
)
# A value in quotation marks with an angle bracket in it, or without an end.
_ANGLE_IN_QUOTES = re.compile(r"=\s*+(?:\"[^\"<>]*+[<>]|'[^'<>]*+[<>])")
_LETTERS = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
# These end alone, and leave open what was opened in them.
_ALONE = _LETTERS | {"form", "math", "svg"}
# These end with all that is open in them, as far as to a wall (HTML §13.2.4.2). Any other ends where it is
# the innermost.
_BLOCKS = frozenset(
    {"address", "applet", "article", "aside", "blockquote", "button", "caption", "center", "dd", "details"}
    | {"dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "h1", "h2", "h3"}
    | {"h4", "h5", "h6", "header", "hgroup", "li", "main", "marquee", "menu", "nav", "object", "ol", "pre"}
    | {"section", "select", "summary", "table", "template", "ul"}
)
_ROOTS = frozenset({"html", "body"})  # a second tag of these adds its attributes to the first
_ROOT = re.compile(r"<(?:html|body)", re.IGNORECASE)
_CELLS = frozenset({"td", "th", "caption"})
_ROWS = frozenset({"tr", "thead", "tbody", "tfoot", "colgroup", "col", "table"})
_WALLS = frozenset({"applet", "caption", "marquee", "math", "object", "select", "svg", "table", "template"})
# What a second one of ends, if it is the innermost that is open.
_SIBLINGS = {"li": {"li"}, "dd": {"dd", "dt"}, "dt": {"dd", "dt"}}
# Elements that nest only through others: they say nothing about depth.
_UNCOUNTED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"}
    | {"track", "wbr", "p", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "html", "head", "body"}
)
# What stands in them is text; but not where a drawing or a frameset may be around them.
_RAW = {
    name: re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_NOT_RAW = re.compile(r"<(?:svg|math|frameset|select)", re.IGNORECASE)


def is_drawn_whole(html: str) -> bool:
    """Whether people see the page to its end, with all its pictures."""
    return len(html) <= MOST_DRAWN and not is_too_much(html, DEEPEST_DRAWN)


def is_too_much(html: str, depth: int) -> bool:
    """Whether more than ``depth`` elements nest, or the tree would be out of proportion to its text."""
    if _is_little(html, depth):
        return False
    pile, tables, root_attributes = _Pile(), _Tables(), 0
    for tag in _tags(html):
        if tag.is_end:
            pile.close(tag.name)
        else:
            pile.open(tag.name)
        tables.meet(tag)
        if tag.name in _ROOTS:
            root_attributes += len(_ATTRIBUTE.findall(tag.attributes))
        if len(pile.elements) > depth or pile.reopened > MOST_REOPENED or _has_many(tag.attributes):
            return True
        if root_attributes > MOST_ATTRIBUTES or tables.moved > MOST_MOVED:
            return True
    return False


def _is_little(html: str, depth: int) -> bool:
    """Whether too little begins at all; so it is with nearly every page, and quickly found."""
    pieces = html.split("<")
    opened = len(pieces) - 1 - html.count("</")
    if opened > depth:
        return False
    if len(html) < SMALL:
        return True
    if len(_ROOT.findall(html)) > 2:
        return False
    return len(pieces) * opened <= MOST_REOPENED and _has_short_tags(html, pieces)


def _has_short_tags(html: str, pieces: list[str]) -> bool:
    """Whether each tag ends before the next one begins, and has no room for many attributes."""
    if _ANGLE_IN_QUOTES.search(html):
        return False
    return all(">" in piece[: 2 * MOST_ATTRIBUTES] for piece in pieces[1:])


class _Tag(NamedTuple):
    name: str
    is_end: bool
    attributes: str
    has_text_before: bool


def _tags(html: str) -> Iterator[_Tag]:
    """The tags that a browser may see, in order."""
    skips_raw = _NOT_RAW.search(html) is None
    position, has_text = 0, False
    while found := _TAG.search(html, position):
        has_text = has_text or not _is_blank(html[position : found.start()])
        position = found.end()
        slash, name, attributes = found.groups()
        if name is None:  # a comment
            continue
        if name.isascii():
            name = name.lower()
        yield _Tag(name, bool(slash), attributes, has_text)
        has_text = False
        if name in _RAW and skips_raw and not slash:
            end = _RAW[name].search(html, position)
            position = end.start() if end else len(html)


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _has_many(attributes: str) -> bool:
    return len(attributes) > 2 * MOST_ATTRIBUTES and len(_ATTRIBUTE.findall(attributes)) > MOST_ATTRIBUTES


class _Tables:
    """The tables that are open, and how much stands in one of them outside of its cells (HTML §13.2.6.1)."""

    def __init__(self) -> None:
        self.moved = 0
        self.in_cell: list[bool] = []  # of each open table, innermost last

    def meet(self, tag: _Tag) -> None:
        """The next tag, and the text before it."""
        if self.in_cell and not self.in_cell[-1]:
            self.moved += tag.has_text_before + (tag.name not in _CELLS and tag.name not in _ROWS)
        if tag.name == "table":
            if not tag.is_end:
                self.in_cell.append(False)
            elif self.in_cell:
                self.in_cell.pop()
        elif self.in_cell and (tag.name in _CELLS or tag.name in _ROWS):
            self.in_cell[-1] = tag.name in _CELLS and not tag.is_end


class _Pile:
    """The elements that may be open; ``reopened`` counts the letters that may be opened anew.

    Elements are numbered as they open, so that each question is answered without a walk through the pile:
    there may be as many questions as tags.
    """

    def __init__(self) -> None:
        self.elements: list[tuple[int, str]] = []  # number and name
        self.numbers: dict[str, list[int]] = {}  # of the open elements of a name, innermost last
        self.walls: list[int] = []  # numbers, too
        self.opened = 0
        self.letters = 0
        self.reopened = 0

    def open(self, name: str) -> None:
        """A start tag."""
        self.reopened += self.letters
        if name in _UNCOUNTED and not self.numbers.get("svg") and not self.numbers.get("math"):
            return
        if name in ("a", "nobr"):
            self.close(name)  # a second one ends the first
        elif name in _SIBLINGS and (last := self._last()) >= 0 and self.elements[last][1] in _SIBLINGS[name]:
            self._remove(last)
        self._add(name)

    def close(self, name: str) -> None:
        """An end tag: of the innermost element of its name, if no wall stands before that."""
        self.reopened += self.letters
        numbers = self.numbers.get(name)
        if not numbers:
            return
        if name in _ALONE or name in _BLOCKS:
            if not self.walls or numbers[-1] >= self.walls[-1]:
                self._end(bisect_left(self.elements, (numbers[-1],)), name)
        elif self.elements[last := self._last()][1] == name:
            self._remove(last)

    def _add(self, name: str) -> None:
        self.opened += 1
        self.elements.append((self.opened, name))
        self.numbers.setdefault(name, []).append(self.opened)
        if name in _WALLS:
            self.walls.append(self.opened)
        self.letters += name in _LETTERS

    def _end(self, index: int, name: str) -> None:
        """Some end alone; of what ends with another element, letters are opened anew behind it."""
        if name in _ALONE:
            self._remove(index)
            return
        ended = self.elements[index:]
        self.elements[index:] = [one for one in ended if one[1] in _LETTERS]
        for _, inner in ended:
            if inner not in _LETTERS:
                self._forget(inner)

    def _remove(self, index: int) -> None:
        self._forget(self.elements.pop(index)[1])

    def _forget(self, name: str) -> None:
        """The innermost element of its name is open no more."""
        self.numbers[name].pop()
        if name in _WALLS:
            self.walls.pop()
        self.letters -= name in _LETTERS

    def _last(self) -> int:
        """Where the innermost element that is no letter stands; -1 if there is none.

        The letters that it passes over are counted in ``reopened`` with each tag, and so are few.
        """
        index = len(self.elements) - 1
        while index >= 0 and self.elements[index][1] in _LETTERS:
            index -= 1
        return index
