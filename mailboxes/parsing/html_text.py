"""Text from HTML: fast, bounded, and good enough to read, to search and to find quotations in.

One walk over the parsed tree without recursion. What is quoted (``blockquote``, the marks of the
usual mailers) is set off by ``> ``, so that quotations are found as in plain text.
"""

from __future__ import annotations

import html as entities
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAXIMUM_DEPTH = 1_000  # elements inside each other; no mailer nests so many
MAXIMUM_QUOTED = 8  # levels of quotation that are marked

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})")
_ANY_TAG = re.compile(r"<[^<>]*>")
# Elements that never nest, or whose end tag may be left out: they say nothing about depth.
_UNCOUNTED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"}
    | {"track", "wbr", "p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead"}
    | {"tbody", "tfoot", "colgroup", "html", "head", "body"}
)
_SKIPPED = frozenset(
    {"script", "style", "head", "title", "template", "noscript", "object", "embed", "iframe", "svg"}
    | {"math", "select", "textarea", "button", "map", "audio", "video", "canvas", "datalist"}
    | {"meta", "link", "base"}
)
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"}
    | {"dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "main", "menu", "nav", "ol", "p", "pre"}
    | {"section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "pre", "table", "dl"}
)
_SPACE = re.compile(r"[ \t\n\r\f\v]{2,}|[\t\n\r\f\v]")  # what is no single blank
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_LINE_ENDS = re.compile(r"(?<![ \t\xa0])[ \t\xa0]+\n")  # begun once a run, so that it stays linear


def is_too_deep(html: str, depth: int) -> bool:
    """Whether more elements nest than a tree is built of in linear time."""
    open_count = 0
    for closing, name in _TAG.findall(html):
        if name.lower() in _UNCOUNTED:
            continue
        open_count = max(open_count - 1, 0) if closing else open_count + 1
        if open_count > depth:
            return True
    return False


def text_of_html(html: str, limit: int) -> str:
    """The readable text of at most ``limit`` characters of HTML."""
    html = html[:limit]
    if is_too_deep(html, MAXIMUM_DEPTH):
        return entities.unescape(_ANY_TAG.sub(" ", html)).strip()
    root = LexborHTMLParser(html).root
    if root is None:
        return ""
    writer = _Writer()
    _walk(root, writer)
    return writer.text()


def _walk(root: LexborNode, writer: _Writer) -> None:
    node: LexborNode | None = root
    while node is not None:
        below = node.child if writer.enter(node) else None
        if below is not None:
            node = below
            continue
        node = _next_after(node, root, writer)


def _next_after(node: LexborNode, root: LexborNode, writer: _Writer) -> LexborNode | None:
    current: LexborNode | None = node
    while current is not None:
        writer.leave(current)
        if current.mem_id == root.mem_id:
            return None
        if current.next is not None:
            return current.next
        current = current.parent
    return None


class _Writer:
    """Collects lines; knows how deep it is in quotations and in preformatted text."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.quoted = 0
        self.preformatted = 0
        self.pending = 0  # line ends due before the next text
        self.at_line_start = True

    def text(self) -> str:
        text = "".join(self.pieces).replace("\u200b", "").replace("\ufeff", "")
        return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("\n", text)).strip()

    def enter(self, node: LexborNode) -> bool:
        """Write what begins here; say whether to go into it."""
        tag = node.tag or ""
        if tag == "-text":
            self._words(node.text_content or "")
            return False
        if tag in _SKIPPED or tag.startswith(("-", "!")) or _is_hidden(node):
            return False
        if tag in _OPENERS:
            _OPENERS[tag](self, node)
        elif tag in _BLOCKS:
            self._line(2 if tag in _PARAGRAPHS else 1)
        return True

    def leave(self, node: LexborNode) -> None:
        """Write what ends here."""
        tag = node.tag or ""
        if tag == "blockquote":
            self._line(1)
            self.quoted = max(self.quoted - 1, 0)
        elif tag == "pre":
            self.preformatted = max(self.preformatted - 1, 0)
        if tag in _BLOCKS:
            self._line(2 if tag in _PARAGRAPHS else 1)

    def _prefix(self) -> str:
        return "> " * min(self.quoted, MAXIMUM_QUOTED)

    def _line(self, count: int) -> None:
        self.pending = max(self.pending, count)

    def _break(self, _node: LexborNode) -> None:
        self._flush()
        self.pieces.append("\n" + self._prefix())
        self.at_line_start = True

    def _cell(self, _node: LexborNode) -> None:
        if not self.at_line_start and not self.pending:
            self.pieces.append(" ")

    def _quotation(self, _node: LexborNode) -> None:
        self._line(1)
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
        alternative = node.attributes.get("alt")
        if alternative and len(alternative) < 200:
            self._words(alternative)

    def _flush(self) -> None:
        if self.pending and self.pieces:
            self.pieces.append(("\n" + self._prefix()) * self.pending)
        if self.pending:
            self.at_line_start = True
        self.pending = 0

    def _words(self, text: str) -> None:
        if self.preformatted:
            self._flush()
            self.pieces.append(text.replace("\n", "\n" + self._prefix()))
            self.at_line_start = text.endswith("\n")
            return
        text = _SPACE.sub(" ", text)
        if self.pending or self.at_line_start:
            text = text.lstrip(" ")
        if text:
            self._flush()
            self.pieces.append(text)
            self.at_line_start = False


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


def _is_hidden(node: LexborNode) -> bool:
    style = node.attributes.get("style")
    return style is not None and _HIDDEN.search(style) is not None
