"""Which pictures a page draws by their Content-ID, once it is made safe to show.

What only looks as if it were drawn, in a comment or in what is taken out, has to be offered beside the page:
else nobody would ever see it.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

import nh3

from mailboxes.parsing.html_bounds import is_drawn_whole

REMOVED_WITH_CONTENT = {
    *("script", "style", "title", "template", "noscript", "iframe", "object", "embed", "applet"),
    *("svg", "math", "xml", "select", "noembed", "noframes", "frameset", "audio", "video", "canvas"),
}

_CID = re.compile(r"\bsrc\s*+=\s*+[\"']?\s*+cid:([^\"'\s>]{1,1000})", re.IGNORECASE)


def drawn_ids(html: str, asked: frozenset[str]) -> frozenset[str]:
    """Those of the Content-IDs that the page draws (RFC 2392).

    A page that is not drawn to its end draws nothing for sure. A tree is built only of one that seems to draw
    one of them.
    """
    if not asked or "cid:" not in html.lower():  # found many times faster than the pattern
        return frozenset()
    seen = {_content_id(unescape(found)) for found in _CID.findall(html)}
    if asked.isdisjoint(seen) or not is_drawn_whole(html):
        return frozenset()
    return asked & _of_images(html)


def _of_images(html: str) -> set[str]:
    """The Content-IDs of the pictures that are left when the page is made safe."""
    found: set[str] = set()

    def note(tag: str, name: str, value: str) -> None:
        source = value.strip()
        if tag == "img" and source[:4].lower() == "cid:":
            found.add(_content_id(source[4:]))

    nh3.clean(
        html.replace("\x00", ""),
        tags={"img"},
        clean_content_tags=REMOVED_WITH_CONTENT,
        attributes={"img": {"src"}},
        attribute_filter=note,
        url_schemes={"cid"},
    )
    return found


def _content_id(url: str) -> str:
    """As the page looks for it: marks that are written with % are none."""
    return unquote(url.strip("<> "))
