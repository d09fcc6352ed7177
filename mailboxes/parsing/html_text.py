"""Text from HTML: fast, bounded, and good enough to read, to search and to find quotations in.

One walk over the parsed tree without recursion. What is quoted (``blockquote``, the marks of the
usual mailers) is set off by ``> ``, so that quotations are found as in plain text.
"""

from __future__ import annotations

import html as entities
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mailboxes.parsing.html_bounds import is_too_much

MAXIMUM_DEPTH = 1_000  # elements inside each other; no mailer nests so many
MAXIMUM_QUOTED = 8  # levels of quotation that are marked
MAXIMUM_STYLE = 4_000  # characters of a style attribute that count, here and where a page is made safe
MAXIMUM_STYLES = 200_000  # of all different ones of a page, by `weight_of`; further ones are left out
WEIGHT_OF_ODD = 8  # of a character of a style that has to be taken apart, which takes so much longer
# What is left of a page that is made safe. Of other elements their content is, without their style.
KEPT = {
    *("a", "abbr", "address", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center"),
    *("cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em"),
    *("figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
    *("i", "img", "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q", "s", "samp"),
    *("section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody"),
    *("td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr"),
}

# In a style: texts and colours that are what they look like; what may be more than it looks like.
_SIMPLE = re.compile(r"""\"[\w .-]*+\"|'[\w .-]*+'|(?<![\w-])rgba?\([\d., %]*+\)""", re.IGNORECASE | re.ASCII)
_ODD = re.compile(r"[^\w \t\n\r\f:;#%.,/!-]", re.ASCII)
_ANY_TAG = re.compile(r"<[^<>]*>")
_NO_CHARACTER = re.compile(r"&#[0-9]{20,}+;?")  # a number without an end, which Python refuses to read
_SKIPPED = frozenset(
    {"script", "style", "head", "title", "template", "noscript", "object", "embed", "iframe", "svg"}
    | {"math", "select", "audio", "video", "canvas", "datalist"}
    | {"meta", "link", "base"}
)
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "button", "caption", "center", "dd", "details"}
    | {"dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "main", "menu", "nav", "ol", "p", "pre"}
    | {"section", "summary", "table", "tbody", "textarea", "tfoot", "thead", "tr", "ul"}
)
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "pre", "table", "dl"}
)
_BLANKS = re.compile("  +")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
# In a style: texts and functions, in which no declaration ends; what it says about `display`; what is odd.
_WHOLE = re.compile(
    r"""\"[^\"\\\n\r\f]*+\"|'[^'\\\n\r\f]*+'"""
    r"""|(?<![\w-])[\w-]++\((?>\"[^\"\\\n\r\f]*+\"|'[^'\\\n\r\f]*+'|[^\"'()\[\]{}\\]*+)\)"""
)
_DISPLAY = re.compile(r"(?:^|;)[ \t\n\r\f]*+display[ \t\n\r\f]*+:([^;]*+)", re.IGNORECASE | re.ASCII)
_NONE = re.compile(r"\s*+none\s*+(?:!\s*+important\s*+)?", re.IGNORECASE | re.ASCII)
_NOT_PLAIN = re.compile(r"""[\"'()\[\]{}\\]|/\*""")
# What has to stand somewhere in a page in lower case, before its elements are asked for their styles: a style
# that hides, or one that need not be what it looks like, with entities or without quotation marks.
_HIDING = re.compile(r"display\s*+:\s*+none")
_ODD_STYLE = re.compile(r"style\s*+=\s*+(?:\"[^\"&]*+&|'[^'&]*+&|[^\s\"'])")
# How browsers indent what somebody writes: with the element of quotations, but without its line.
_INDENTED = re.compile(r"border\s*+:\s*+none", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def text_of_html(html: str, limit: int) -> str:
    """The readable text of at most ``limit`` characters of HTML."""
    html = html[:limit]
    if is_too_much(html, MAXIMUM_DEPTH):
        return without_tags(html)
    root = LexborHTMLParser(html).root
    if root is None:
        return ""
    writer = _Writer(_may_hide(html))
    _walk(root, writer)
    return writer.text()


def is_plain_style(style: str) -> bool:
    """Whether it is words, numbers, colours and texts between colons and semicolons, and nothing else."""
    return _ODD.search(_SIMPLE.sub("x", style)) is None


def weight_of(style: str) -> int:
    """How much of `MAXIMUM_STYLES` it takes, here and where a page is made safe."""
    return len(style) if is_plain_style(style) else WEIGHT_OF_ODD * len(style)


def without_tags(html: str) -> str:
    """The words of a page of which no tree is built."""
    return entities.unescape(_NO_CHARACTER.sub("\ufffd", _ANY_TAG.sub(" ", html))).strip()


def _may_hide(html: str) -> bool:
    """Whether any element may be hidden, so that the styles of all have to be read."""
    lowered = html.lower()
    if _HIDING.search(lowered):
        return True
    return "&" in html and _ODD_STYLE.search(lowered) is not None


def _walk(root: LexborNode, writer: _Writer) -> None:
    """All that is in the tree, in order. What is open lies on a stack: asking for parents takes longer."""
    node, opened = root, list[tuple[LexborNode, str]]()
    while True:
        tag = node.tag or ""
        if tag == "-text":
            writer.words(node.text_content or "")
        elif writer.enter(node, tag) and (below := node.first_child) is not None:
            opened.append((node, tag))
            node = below
            continue
        elif tag in _BLOCKS:
            writer.leave(tag)
        while opened:
            following = node.next
            if following is not None:
                node = following
                break
            node, tag = opened.pop()
            if tag in _BLOCKS:
                writer.leave(tag)
        else:
            return


class _Writer:
    """Collects lines; knows how deep it is in quotations and in preformatted text."""

    def __init__(self, may_hide: bool) -> None:
        self.may_hide = may_hide  # then the style of each element is looked at
        self.hiding: dict[str, bool] = {}  # of each style, whether it does
        self.styles_left = MAXIMUM_STYLES
        self.pieces: list[str] = []
        self.quoted = 0
        self.indented: list[bool] = []  # of each open blockquote, whether it only indents
        self.preformatted = 0
        self.pending = 0  # line ends due before the next text
        self.at_line_start = True

    def text(self) -> str:
        text = "".join(self.pieces).replace("\u200b", "").replace("\ufeff", "")
        lines = [line.rstrip(" \t\xa0") for line in text.split("\n")]
        return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()

    def enter(self, node: LexborNode, tag: str) -> bool:
        """Write what begins here; say whether to go into it."""
        if tag in _SKIPPED or tag.startswith(("-", "!")) or (self.may_hide and self._is_hidden(node, tag)):
            return False
        if tag in _OPENERS:
            _OPENERS[tag](self, node)
        elif tag in _BLOCKS:
            self._line(2 if tag in _PARAGRAPHS else 1)
        return True

    def leave(self, tag: str) -> None:
        """Write what ends with this block."""
        if tag == "blockquote" and self.indented:
            self._line(1)
            self.quoted -= not self.indented.pop()
        elif tag == "pre":
            self.preformatted = max(self.preformatted - 1, 0)
        self._line(2 if tag in _PARAGRAPHS else 1)

    def _is_hidden(self, node: LexborNode, tag: str) -> bool:
        """Whether it is in the page that is shown, too: it keeps its style there, if that is read."""
        style = node.attrs.get("style") if tag in KEPT else None
        if style is None:
            return False
        if style not in self.hiding:
            self.styles_left -= weight_of(style)
            counts = self.styles_left >= 0 and _HIDDEN.search(style) is not None
            self.hiding[style] = counts and _hides(style)
        return self.hiding[style]

    def _prefix(self) -> str:
        return "> " * min(self.quoted, MAXIMUM_QUOTED)

    def _line(self, count: int) -> None:
        if count > self.pending:
            self.pending = count

    def _break(self, _node: LexborNode) -> None:
        self._flush()
        self.pieces.append("\n" + self._prefix())
        self.at_line_start = True

    def _cell(self, _node: LexborNode) -> None:
        if not self.at_line_start and not self.pending:
            self.pieces.append(" ")

    def _quotation(self, node: LexborNode) -> None:
        self._line(1)
        self.indented.append(_only_indents(node))
        if self.indented[-1]:
            return
        self._flush()
        self.quoted += 1
        self.pieces.append("> ")

    def _item(self, _node: LexborNode) -> None:
        self._line(1)
        self._flush()
        self.pieces.append("* ")

    def _pre(self, _node: LexborNode) -> None:
        self._line(2)
        self.preformatted += 1

    def _rule(self, _node: LexborNode) -> None:
        self._line(1)
        self._flush()
        self.pieces.append("-" * 20)
        self._line(1)

    def _image(self, node: LexborNode) -> None:
        alternative = node.attrs.get("alt")
        if alternative and len(alternative) < 200:
            self.words(alternative)

    def _flush(self) -> None:
        if not self.pending:
            return
        if self.pieces:
            self.pieces.append(("\n" + self._prefix()) * self.pending)
        self.at_line_start = True
        self.pending = 0

    def words(self, text: str) -> None:
        """Write text; white space is one blank, and none at the beginning of a line."""
        if self.preformatted:
            self._flush()
            self.pieces.append(text.replace("\n", "\n" + self._prefix()))
            self.at_line_start = text.endswith("\n")
            return
        if self.pending or self.at_line_start:
            text = text.lstrip(" \t\n\r\f\v")
        if text:
            self._flush()
            self.pieces.append(_squeezed(text))
            self.at_line_start = False


def _squeezed(text: str) -> str:
    """White space as one blank. Most text has no other: that is found faster than a pattern finds it."""
    if text.isprintable() and "  " not in text:
        return text
    for space in "\t\n\r\f\v":
        text = text.replace(space, " ")
    return _BLANKS.sub(" ", text)


_OPENERS = {
    "br": _Writer._break,
    "td": _Writer._cell,
    "th": _Writer._cell,
    "blockquote": _Writer._quotation,
    "li": _Writer._item,
    "pre": _Writer._pre,
    "hr": _Writer._rule,
    "img": _Writer._image,
}


def _hides(style: str) -> bool:
    """Whether browsers show nothing: the last word on `display` counts.

    What is too long, or has more in it than words, texts and functions, says nothing: it is found, then.
    """
    if len(style) > MAXIMUM_STYLE:
        return False
    plain = _WHOLE.sub("~", style)
    said = _DISPLAY.findall(plain)
    return bool(said) and _NONE.fullmatch(said[-1]) is not None and _NOT_PLAIN.search(plain) is None


def _only_indents(node: LexborNode) -> bool:
    style = node.attrs.get("style") or ""
    has_line = "border-left" in style.lower() or node.attrs.get("type") == "cite"
    return _INDENTED.search(style) is not None and not has_line
