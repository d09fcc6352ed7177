"""What the tree of a page would cost is known before it is built."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mailboxes.parsing import html_bounds
from mailboxes.parsing.html_bounds import is_too_much
from mailboxes.parsing.html_text import text_of_html
from mailboxes.sanitizing import sanitize

DEPTH, TIMES = 250, 1_500

HARMLESS = {
    "paragraphs": "<p>one<p>two<br>" * 5_000,
    "lists": "<ul>" + "<li>one<li><b>two</b></li>" * 3_000 + "</ul>",
    "definitions": "<dl>" + "<dt>one<dd>two" * 3_000 + "</dl>",
    "tables": "<table><tr><td>a<td>b</table>" * 3_000,
    "conditional comments": "<!--[if mso]><table><tr><td><![endif]-->x<!--[if mso]></table><![endif]-->"
    * 2_000,
    "anchors": "<a name=x>" * 3_000,
    "letters in the wrong order": "<b><i>x</b></i>" * 3_000,
    "a sheet of styles": "<style>" + "p > b { color: red } <div>" * 2_000 + "</style>" + "<p>x" * 1_000,
    "tables with blanks, comments and other tables in them": "<table><tr><!-- a --><td>"
    "<table><tr> <td>a</td>\n <td>b</td> </tr></table><b>x</b> y<br></td> <!-- b --></tr></table>" * 1_000,
    "pages in a page": "<html lang=de><body bgcolor=white class=x>x</body></html>" * 200,
    "a picture in the text": f"<p>x<img src='data:image/png;base64,{'A' * 500_000}'>",
}
COSTLY = {
    "elements": "<div>" * 400,
    "letters left open": "<p>" + "".join(f"<font color={n}>" for n in range(200)) + "</p>" + "<p>x" * 5_000,
    "attributes": "<p " + " ".join(f"a{n}=1" for n in range(30_000)) + ">x",
    "attributes of many tags of the page": "<html a=1 b=2>" + "".join(f"<html a{n}=1>" for n in range(9_000)),
    "attributes of many bodies": "".join(f"<body {'a' * n} b>" for n in range(1, 700)),
    "what stands between cells": "<table>" + "x<b>y</b>" * 5_000,
    "words between rows": "<p>x<table>" + "<tr><td>a</td></tr>x" * 5_000,
    "attributes with brackets": "<p " + " ".join(f"a{n}='>'" for n in range(30_000)) + ">x",
}
PIECES = [
    *("<div>", "</div>", "<b>", "</b>", "<font color=%d>", "</font>", "<table>", "</table>", "<td>", "</td>"),
    *("<svg>", "</svg>", "<style>", "</style>", "<title>", "</title>", "<!--", "-->", "--!>", "<!-->"),
    *("<![CDATA[", "]]>", "<!x ", "<?x ", ">", "</ ", '"', "'", '<div "', '<div a="', "<div a='"),
    *('<div a=">', '<div =">', '<div/x="', "=", "<p>", "</p>", "x", "<a href=%d>", "</a>", "<select>"),
    *("</select>", "<option>", "<textarea>", "</textarea>", "<noscript>", "</noscript>", "<template>"),
    *("</template>", "<object>", "</object>", "<li>", "<ul>", "</ul>", "<span\xa0>", "</span\xa0>", "<span>"),
    *("</span>", "<mark>", "</mar\u212a>", "<desc>", "</desc>", "<h1>", "</h1>", "<form>", "</form>", "<dd>"),
    *("<dt>", "<frameset>", "<plaintext>", "\f", "<div\x0b>", "</div\x0b>", "</br>", "<body>", "</html>"),
]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_people_send_is_not_too_much_however_untidy(name: str) -> None:
    assert not is_too_much(HARMLESS[name], DEPTH)


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_more_than_its_text_is_shown_without_a_tree(name: str) -> None:
    assert is_too_much(COSTLY[name], DEPTH)
    assert sanitize(COSTLY[name]).is_cut
    assert text_of_html(COSTLY[name] * 3, 1_000_000).count("<") == 0


@given(
    st.lists(st.sampled_from(PIECES), max_size=4), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)
)
@example(["<span>", "<svg>", "<xmp>"], ["</textarea>", '<div =">', "</span>", "<span>"])
@example([], ["<div>", "<!--", "</div>", "-->"])
@example([], ["<form>", "<mark>", "</form>"])
@example(["<select>"], ["<li>", "<dd>"])
@settings(max_examples=150)
def test_no_page_nests_deeper_than_it_was_taken_for(begin: list[str], again: list[str]) -> None:
    page = "".join(begin) + "".join("".join(again).replace("%d", str(n)) for n in range(TIMES))
    if not is_too_much(page, DEPTH):
        assert _depth(page) < 3 * DEPTH


def _depth(page: str) -> int:
    """How deep the tree of a page is."""
    node, depth, deepest = LexborHTMLParser(page).root, 0, 0
    while node is not None:
        deepest = max(deepest, depth)
        if node.child is not None:
            node, depth = node.child, depth + 1
            continue
        while node is not None and node.next is None:
            node, depth = node.parent, depth - 1
        node = node.next if node is not None else None
    return deepest


_TAGS = ["<b>", "<a href=x>", "</b>", "<p a b c d e f>", "<div>", "</div>", "<td a='<' b c d e f g>", "<br/>"]
_OTHERS = [
    "<u a='>' b c d e f g>",
    "<i ",
    "x='>",
    '"',
    "'",
    '="',
    ">",
    "<",
    "a=b ",
    "= ",
    "<!--",
    "-->",
    "</",
    "text",
]


@given(html=st.lists(st.sampled_from(_TAGS + _OTHERS), max_size=25).map("".join), depth=st.integers(1, 5))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_little_at_a_glance_is_little_when_read(monkeypatch, html, depth):
    monkeypatch.setattr(html_bounds, "SMALL", 0)
    monkeypatch.setattr(html_bounds, "MOST_ATTRIBUTES", 5)
    monkeypatch.setattr(html_bounds, "MOST_REOPENED", 40)
    if html_bounds._is_little(html, depth):
        with monkeypatch.context() as patched:
            patched.setattr(html_bounds, "_is_little", lambda html, depth: False)
            assert not is_too_much(html, depth)


class _Counted(str):
    """The name of an element that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        _Counted.comparisons += 1
        return str.__eq__(self, other) is True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("below", "tag"),
    [
        (["div"] * 900, "br"),
        (["ul", "li"] * 450, "img"),
        (["div"] * 900, "/ul"),
        (["div", "table"] + ["span"] * 900, "/div"),
        (["div"] + ["span"] * 900, "/mark"),
    ],
)
def test_a_tag_costs_the_same_however_many_elements_are_open(below, tag):
    pile = html_bounds._Pile()
    for name in below:
        pile.open(_Counted(name))
    _Counted.comparisons = 0
    for _ in range(10):
        (pile.close if tag.startswith("/") else pile.open)(_Counted(tag.lstrip("/")))
    assert _Counted.comparisons < 10 * 20
