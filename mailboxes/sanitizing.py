"""Hostile HTML in, HTML that is safe to show out (reliability T6, T7).

The first of three layers: the page shows the result in a sandboxed frame of its own, under a
content security policy that allows nothing. Links open outside and say where they lead, forms and
everything active are gone, remote images are taken out unless the reader asked for them, and styles
keep only properties and values that can neither load anything nor cover anything.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import nh3
import tinycss2
from tinycss2 import ast as css

from mailboxes.parsing.drawing import REMOVED_WITH_CONTENT
from mailboxes.parsing.html_bounds import DEEPEST_DRAWN, MOST_DRAWN, is_too_much
from mailboxes.parsing.html_text import (
    KEPT,
    MAXIMUM_STYLE,
    MAXIMUM_STYLES,
    is_plain_style,
    text_of_html,
    weight_of,
)

Images = Literal["block", "allow"]


@dataclass(frozen=True, slots=True)
class Sanitized:
    """A fragment of HTML. ``remote_image_count`` counts what was blocked or, if allowed, shown.

    ``is_cut``: it has not all that was sent. ``is_plainer``: it has not all of the styles.
    """

    html: str
    remote_image_count: int
    is_cut: bool = False
    is_plainer: bool = False


_COMMON = {"align", "bgcolor", "color", "dir", "height", "lang", "style", "title", "valign", "width"}
_ATTRIBUTES = {
    "*": _COMMON,
    "a": {"href"},
    "img": {"alt", "border", "hspace", "src", "vspace"},
    "table": {"background", "border", "cellpadding", "cellspacing", "summary"},
    "td": {"abbr", "background", "colspan", "headers", "nowrap", "rowspan"},
    "th": {"abbr", "background", "colspan", "headers", "nowrap", "rowspan", "scope"},
    "tr": {"background"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"face", "size"},
    "hr": {"noshade", "size"},
    "ol": {"reversed", "start", "type"},
    "ul": {"type"},
    "li": {"type", "value"},
    "br": {"clear"},
    "div": {"background"},
    "details": {"open"},
    "time": {"datetime"},
}
_LINK = re.compile(r"(?:https?://|mailto:|tel:)[^\s\x00-\x1f]+", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?:)?//[^\s\x00-\x1f]+", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
# Of a link as nh3 writes it: what stands before the address, and the address.
_WRITTEN_LINK = re.compile(r'<a ((?:[a-z-]+="[^"]*+" ?)*?)href="([^"]*+)"')
_LIKE_ADDRESS = re.compile(r"\w\.\w|//|@")
_REMOTE_ATTRIBUTE = re.compile(r"<[^<>]{0,2000}?\bsrcset\s*=", re.IGNORECASE)

_PROPERTIES = frozenset(
    {"background", "background-color", "background-image", "background-position"}
    | {"background-repeat", "background-size", "border-collapse", "border-spacing", "border-radius"}
    | {"box-sizing", "caption-side", "clear", "color", "direction", "display", "empty-cells"}
    | {"float", "font", "font-family", "font-size", "font-style", "font-variant", "font-weight"}
    | {"height", "letter-spacing", "line-height", "list-style-position", "list-style-type"}
    | {"max-height", "max-width", "min-height", "min-width", "opacity", "overflow", "overflow-wrap"}
    | {"table-layout", "text-align", "text-decoration", "text-decoration-line", "text-indent"}
    | {"text-transform", "unicode-bidi", "vertical-align", "visibility", "white-space", "width"}
    | {"word-break", "word-spacing", "word-wrap", "border", "margin", "padding"}
)
_PROPERTY_FAMILIES = re.compile(r"(?:border|margin|padding)-[a-z-]{1,30}")
_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp"})


def sanitize(
    html: str, *, images: Images = "block", cid_url: Callable[[str], str | None] | None = None
) -> Sanitized:
    """Make the HTML of a message safe to show.

    ``images``: whether remote images may stay. ``cid_url`` turns the Content-ID of an inline image
    into the address it is served from, or None; without it, inline images are taken out.
    """
    is_cut = len(html) > MOST_DRAWN
    html = html[:MOST_DRAWN].replace("\x00", "")
    if is_too_much(html, DEEPEST_DRAWN):
        text = text_of_html(html, MOST_DRAWN)[:MOST_DRAWN]
        return Sanitized(plain_text_to_html(text), 0, is_cut=True)
    attributes = _Attributes(images, cid_url)
    attributes.remote_count += len(_REMOTE_ATTRIBUTE.findall(html)) if "srcset" in html else 0
    clean = nh3.clean(
        html,
        tags=KEPT,
        clean_content_tags=REMOVED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attributes.filtered,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )
    return Sanitized(_with_targets(clean), attributes.remote_count, is_cut, attributes.styles_left < 0)


def _with_targets(html: str) -> str:
    """Each link says where it leads, to whoever points at it, whatever its text says."""
    return _WRITTEN_LINK.sub(r'<a title="\2" \1href="\2"', html)


class _Attributes:
    """The filter of one message's attributes; counts what is remote."""

    def __init__(self, images: Images, cid_url: Callable[[str], str | None] | None) -> None:
        self.may_load = images == "allow"
        self.cid_url = cid_url
        self.remote_count = 0
        self.styles: dict[str, tuple[str | None, int]] = {}  # what each comes to, and what it would load
        self.styles_left = MAXIMUM_STYLES

    def filtered(self, tag: str, name: str, value: str) -> str | None:
        """The value to keep, or None to drop the attribute. Called by nh3 for each one.

        Nothing may be raised: nh3 keeps the value that a filter fails on as it is.
        """
        try:
            return self._filtered(tag, name, value)
        except Exception:  # noqa: BLE001  # such as styles that nest too deeply
            return None

    def _filtered(self, tag: str, name: str, value: str) -> str | None:
        if name == "title":  # it is shown where a person looks for the address of a link
            return None if tag == "a" or _LIKE_ADDRESS.search(value) else value
        if name == "style":
            return self._style(value)
        if name == "href":
            return value if _LINK.fullmatch(value.strip()) else None
        if name == "src":
            return self._source(value.strip())
        if name == "background":
            return self._remote(value.strip())
        return value

    def _source(self, value: str) -> str | None:
        if value[:4].lower() == "cid:":
            return self.cid_url(value[4:].strip("<> ")) if self.cid_url else None
        if value[:5].lower() == "data:":
            return value if _DATA_IMAGE.fullmatch(value) else None
        return self._remote(value)

    def _remote(self, value: str) -> str | None:
        if not _REMOTE.fullmatch(value):
            return None
        self.remote_count += 1
        if not self.may_load:
            return None
        return "https:" + value if value.startswith("//") else value

    def _style(self, value: str) -> str | None:
        """A style; nearly all of a message's elements share a few."""
        if value not in self.styles:
            before = self.remote_count
            self.styles[value] = self._read_style(value), self.remote_count - before
            return self.styles[value][0]
        kept, remote_count = self.styles[value]
        self.remote_count += remote_count
        return kept

    def _read_style(self, value: str) -> str | None:
        self.styles_left -= weight_of(value)
        if len(value) > MAXIMUM_STYLE or self.styles_left < 0:
            return None
        if is_plain_style(value):
            return "; ".join(filter(None, map(_plain_declaration, value.split(";")))) or None
        declarations = tinycss2.parse_declaration_list(value, skip_comments=True, skip_whitespace=True)
        kept = [text for item in declarations if (text := self._declaration(item))]
        return "; ".join(kept) or None

    def _declaration(self, item: css.Node) -> str | None:
        if not isinstance(item, css.Declaration) or not _is_property(item.lower_name):
            return None
        if not all(self._is_safe(token) for token in item.value):
            return None
        if _is_negative_margin(item):
            return None
        return f"{item.lower_name}: {tinycss2.serialize(item.value).strip()}"

    def _is_safe(self, token: css.Node) -> bool:
        """Whether a component value is plain: no URL, no unknown function, no strange block."""
        if isinstance(token, css.URLToken):
            return self._is_allowed_url(token.value)
        if isinstance(token, css.FunctionBlock):
            if token.lower_name == "url":
                return self._is_allowed_url(tinycss2.serialize(token.arguments).strip(" \"'"))
            return token.lower_name in _FUNCTIONS and all(map(self._is_safe, token.arguments))
        return token.type in _PLAIN_TOKENS and not (
            token.type == "ident" and token.lower_value in ("fixed", "sticky", "absolute")
        )

    def _is_allowed_url(self, url: str) -> bool:
        return self._remote(url) is not None and "\\" not in url


_PLAIN_TOKENS = frozenset(
    {"ident", "number", "percentage", "dimension", "hash", "string", "whitespace", "literal"}
)


def _plain_declaration(text: str) -> str:
    """A declaration of a plain style as it may stay, or nothing."""
    name, _, value = text.partition(":")
    name, value = name.strip(_BLANKS).lower(), _IMPORTANT.sub("", value).strip(_BLANKS)
    is_kept = value and _is_property(name) and _NOT_KEPT.search(value) is None
    is_pulled = name.startswith("margin") and _PULLS.search(value) is not None
    return f"{name}: {value}" if is_kept and not is_pulled else ""


_BLANKS = " \t\n\r\f"
_IMPORTANT = re.compile(r"![ \t\n\r\f]*+important[ \t\n\r\f]*+\Z", re.IGNORECASE | re.ASCII)
_NOT_KEPT = re.compile(r"[:!]|(?<![\w-])(?:fixed|sticky|absolute)(?![\w-])", re.IGNORECASE | re.ASCII)
_PULLS = re.compile(r"-[\d.]|\(", re.ASCII)  # below nothing, or by a function


def _is_property(name: str) -> bool:
    return name in _PROPERTIES or _PROPERTY_FAMILIES.fullmatch(name) is not None


def _is_negative_margin(item: css.Declaration) -> bool:
    """A negative margin pulls content over its surroundings; what a function comes to is not known here."""
    return item.lower_name.startswith("margin") and any(
        token.type == "function" or (token.type in ("number", "percentage", "dimension") and token.value < 0)
        for token in item.value
    )


_URL = re.compile(
    r"(?<![\w@])(https?://[^\s<>\"'\x00-\x1f]{1,2000}|www\.[^\s<>\"'\x00-\x1f]{1,500})", re.IGNORECASE
)
_TRAILING = ".,;:!?)]}'\"»“”"


def plain_text_to_html(text: str) -> str:
    """Plain text as HTML: escaped, addresses of pages as links, line ends kept by ``<br>``."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[str] = []
    position = 0
    for found in _URL.finditer(text):
        url = _without_trailing(found[1])
        pieces.append(entities.escape(text[position : found.start()]))
        pieces.append(_link(url))
        position = found.start() + len(url)
    pieces.append(entities.escape(text[position:]))
    return _indented("".join(pieces)).replace("\n", "<br>\n")


def _without_trailing(url: str) -> str:
    """Punctuation after an address is the sentence's; a closing parenthesis may be its own."""
    end, surplus = len(url), url.count(")") - url.count("(")
    while end and url[end - 1] in _TRAILING:
        if url[end - 1] == ")":
            if surplus <= 0:
                break
            surplus -= 1
        end -= 1
    return url[:end]


def _link(url: str) -> str:
    target = url if url[:4].lower() == "http" else f"http://{url}"
    return (
        f'<a href="{entities.escape(target)}" target="_blank" rel="noopener noreferrer nofollow">'
        f"{entities.escape(url)}</a>"
    )


def _indented(html: str) -> str:
    """Runs of spaces stay visible; the last one may break the line."""
    return re.sub(r"  +", lambda run: "&nbsp;" * (len(run[0]) - 1) + " ", html)
