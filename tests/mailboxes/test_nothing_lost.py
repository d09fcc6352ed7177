"""Whatever the program that wrote it, what a person sees of a message is shown here, and found."""

import base64
import quopri
import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mailboxes.parsing import attachment_contents, parse
from mailboxes.parsing.html_text import text_of_html
from mailboxes.sanitizing import MAXIMUM_STYLES, sanitize
from mailboxes.search import words_of

WORD = re.compile(r"w\d{1,9}w")
KINDS = ["mixed", "related", "signed", "digest", "report", "unheard-of", "parallel"]
ELEMENTS = [
    *("a", "address", "article", "b", "blockquote", "button", "center", "code", "dialog open", "div", "dl"),
    *("dd", "fieldset", "figure", "font", "footer", "form", "h1", "label", "legend", "li", "main", "map"),
    *("marquee", "nobr", "ol", "p", "pre", "section", "small", "span", "table", "td", "tr", "u", "ul"),
    *("x-unknown", "o:p", "details open", "summary", "listing", "textarea", "xmp", "tbody", "th", "caption"),
]


@st.composite
def pages(draw):
    """HTML of elements that browsers show, in any order, with words in them and between them."""
    piece = st.one_of(st.integers(0, 10**9 - 1), st.sampled_from(ELEMENTS))
    pieces = draw(st.lists(piece, min_size=1, max_size=12))
    html, opened = [], []
    for piece in pieces:
        if isinstance(piece, int):
            html.append(f" w{piece}w ")
        else:
            html.append(f"<{piece}>")
            opened.append(piece.split()[0])
            if draw(st.booleans()):
                html.append(f"</{opened.pop()}>")
    return "".join(html) + "".join(f"</{name}>" for name in reversed(opened))


def shown(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", html))


@given(pages())
@settings(max_examples=300, deadline=None)
def test_no_word_of_a_page_is_lost(html):
    words = set(WORD.findall(html))
    assert words <= set(WORD.findall(text_of_html(html, 10_000)))
    assert words <= set(WORD.findall(shown(sanitize(html).html)))


def seen(html: str) -> set[str]:
    """The words that a browser shows of a page that was made safe."""
    tree = LexborHTMLParser(sanitize(html).html)
    while hidden := tree.css_first("[style*='display: none']"):
        hidden.decompose()
    return set(WORD.findall(tree.text() or ""))


@pytest.mark.parametrize("element", [*ELEMENTS, "body", "html"])
def test_what_is_shown_of_an_element_that_would_be_hidden_is_found(element):
    html = f'<p>w1w</p><{element} style="display:none">w2w</{element.split()[0]}><p>w3w</p>'
    assert set(WORD.findall(text_of_html(html, 10_000))) == seen(html)


def test_what_is_shown_where_a_page_has_more_styles_than_are_read_is_found():
    count = MAXIMUM_STYLES // 1_000 + 5
    html = "".join(f'<p style="display:none;x:{n:_>985}">w{n}w</p>' for n in range(count))
    assert set(WORD.findall(text_of_html(html, len(html)))) == seen(html) != set()


ENCODINGS = {
    "7bit": lambda data: data,
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
    "x-unheard-of": lambda data: data,
}


@st.composite
def trees(draw, depth=0):
    """A part of a message: a text, a page, a file, an attached message or parts inside each other."""
    kinds = ["text", "page", *(["file", "message", "parts", "parts"] if depth < 3 else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "parts":
        mark = f"b{depth}{draw(st.sampled_from('xyz'))}"
        parts = draw(st.lists(trees(depth + 1), min_size=1, max_size=3))
        body = b"".join(b"--%s\n%s\n" % (mark.encode(), part) for part in parts)
        end = draw(st.sampled_from([b"--%s--\n" % mark.encode(), b""]))
        head = f"Content-Type: multipart/{draw(st.sampled_from(KINDS))}; boundary={mark}\n\n"
        return head.encode() + body + end
    word = f" w{draw(st.integers(0, 10**9 - 1))}w "
    if kind == "message":
        return b"Content-Type: message/rfc822\n\nSubject: inner\n\n" + word.encode()
    encoding = draw(st.sampled_from(list(ENCODINGS)))
    text = f"<p>{word}</p>" if kind == "page" else word
    named = "Content-Disposition: attachment; filename=f.txt\n" if kind == "file" else ""
    type_ = "html" if kind == "page" else "plain"
    head = f"Content-Type: text/{type_}; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n{named}\n"
    return head.encode() + ENCODINGS[encoding](text.encode())


@given(trees())
@settings(max_examples=300, deadline=None)
def test_no_word_of_a_part_is_lost(part):
    raw = b"From: a@x.test\nMIME-Version: 1.0\n" + part
    parsed = parse(raw)
    files = b" ".join(attachment_contents(raw, [one.position for one in parsed.attachments]))
    found = set(WORD.findall(f"{parsed.text} {files.decode()}"))
    assert {word for word in found if word in words_of(parsed.text) or word in files.decode()} == found
    assert _written(raw) <= found


def _written(raw):
    """The words in all texts of a message, decoded or not."""
    decoded = [raw, quopri.decodestring(raw)]
    lines = [line for line in raw.split(b"\n") if re.fullmatch(rb"[A-Za-z0-9+/]{8,}={0,2}", line)]
    decoded += [base64.b64decode(line) for line in lines if len(line) % 4 == 0]
    return {word for text in decoded for word in WORD.findall(text.decode("latin-1"))}
