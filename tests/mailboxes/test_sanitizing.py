"""Hostile HTML becomes harmless, and ordinary HTML stays readable."""

import re

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailboxes import sanitizing
from mailboxes.parsing.html_text import is_plain_style
from mailboxes.sanitizing import plain_text_to_html, sanitize

ACTIVE = frozenset(
    {"script", "style", "iframe", "frame", "object", "embed", "applet", "svg", "math", "form", "input"}
    | {"button", "textarea", "select", "meta", "base", "link", "template", "video", "audio", "source"}
)
DANGEROUS = re.compile(
    r"(?:java|vb|live)script\s*:|data:(?!image/)|expression\s*\(|@import|-moz-binding", re.IGNORECASE
)


def assert_harmless(html: str) -> None:
    """No element or attribute of a fragment may run, load, submit or leave by itself."""
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
        if not isinstance(element.tag, str) or element.tag == "DOCUMENT_FRAGMENT":
            continue
        assert element.tag not in ACTIVE, f"<{element.tag}> is left in {html!r}"
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), f"{name} is left in {html!r}"
            assert name not in ("srcset", "srcdoc", "formaction", "action", "id", "class", "name")
            assert name in ("alt", "title", "abbr") or not DANGEROUS.search(value), f"{value!r} is left"


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='java\tscript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<svg><animate onbegin=alert(1)></svg>",
        "<math><mtext><style><img src=x onerror=alert(1)></style>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<form action=//evil><input name=password><button>go</button></form>",
        "<meta http-equiv=refresh content='0;url=//evil'>",
        "<base href=//evil><link rel=stylesheet href=//evil>",
        "<style>@import '//evil';</style>",
        "<div style='background:url(javascript:alert(1))'>x</div>",
        "<div style='width: expression(alert(1))'>x</div>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
        "<table background='javascript:alert(1)'>x</table>",
        "<!--<img src='--><img src=x onerror=alert(1)//'>",
    ],
)
def test_nothing_active_is_left(html):
    assert_harmless(sanitize(html, images="block").html)
    assert_harmless(sanitize(html, images="allow", cid_url=lambda content_id: f"/{content_id}").html)


def test_ordinary_formatting_stays():
    html = (
        '<p style="color: red; font-weight: bold">a <b>b</b></p><table><tr><td width="5">c</td></tr></table>'
    )
    clean = sanitize(html).html
    assert '<p style="color: red; font-weight: bold">a <b>b</b></p>' in clean
    assert '<td width="5">c</td>' in clean


@pytest.mark.parametrize("link", ["https://x.y/z?a=b", "http://x.y", "mailto:a@b.c", "tel:+4912345"])
def test_links_open_outside_and_say_nothing_of_us(link):
    clean = sanitize(f'<a href="{link}" target="_top" rel="opener">x</a>').html
    assert f'href="{link}"' in clean
    assert 'target="_blank"' in clean
    assert 'rel="noopener noreferrer nofollow"' in clean


@pytest.mark.parametrize(
    "link",
    [
        '<a href="https://evil.test/?a=1&b" title="https://bank.test">x</a>',
        '<a title="The bank" style="font-family: href=" href="https://evil.test/?a=1&b">x</a>',
        '<a href="https://evil.test/?a=1&b"><abbr title="bank.test">x</abbr></a>',
    ],
)
def test_links_say_where_they_lead_and_nothing_says_otherwise(link):
    clean = sanitize(link).html
    assert re.findall(r' title="([^"]*)"', clean) == ["https://evil.test/?a=1&amp;b"]
    assert ' href="https://evil.test/?a=1&amp;b"' in clean
    assert 'title="Order"' in sanitize('<abbr title="Order">o</abbr>').html


@pytest.mark.parametrize(
    "link", ["javascript:x", "/relative", "#here", "ftp://x.y", "file:///etc", "//x.y", "cid:a"]
)
def test_other_links_lead_nowhere(link):
    assert "href" not in sanitize(f'<a href="{link}">x</a>').html


REMOTE = [
    '<img src="http://t.example/a.gif">',
    '<img src="//t.example/a.gif">',
    '<table background="https://t.example/a.gif"><tr><td>x</td></tr></table>',
    '<div style="background-image: url(https://t.example/a.gif)">x</div>',
    "<div style='background: red url(\"https://t.example/a.gif\")'>x</div>",
    '<img srcset="https://t.example/a.gif 2x">',
]


@pytest.mark.parametrize("html", REMOTE)
def test_remote_images_are_taken_out_and_counted(html):
    clean = sanitize(html)
    assert "t.example" not in clean.html
    assert clean.remote_image_count == 1


@pytest.mark.parametrize("html", REMOTE[:5])
def test_remote_images_stay_where_the_reader_asked_for_them(html):
    assert "t.example/a.gif" in sanitize(html, images="allow").html


@pytest.mark.parametrize(
    "style",
    [
        "position: fixed",
        "position: absolute; top: 0",
        "margin: -50px",
        "margin-left: -5em",
        "margin-top: calc(0px - 500px)",
        "behavior: url(x)",
        "width: url(http://t.example)",
        "content: url(http://t.example)",
        "background: image-set('http://t.example' 1x)",
        "background: url(http\\3a//t.example)",
        "--x: url(http://t.example)",
        "color: red; } body { background: url(http://t.example) }",
        "z-index: 99999",
        "cursor: url(http://t.example)",
        f"width: {'calc(' * 600}1{')' * 600}; position: fixed; background: url(http://t.example)",
    ],
)
def test_styles_neither_cover_nor_load(style):
    clean = sanitize(f'<p style="{style}">x</p>').html
    assert "t.example" not in clean
    assert not re.search(r"position:|margin[a-z-]*: -|behavior|z-index", clean)


def test_a_style_that_many_share_is_read_once_and_each_of_its_pictures_counted():
    tracked = "<p style='background: url(https://t.example/a.gif); color: red'>x</p>"
    clean = sanitize(tracked * 3)
    assert (clean.remote_image_count, clean.html.count("color: red")) == (3, 3)


def test_there_are_no_more_styles_than_are_read_in_time():
    html = "".join(f"<p style='color: red; width: {n}px; height: {'1' * 3_000}px'>x</p>" for n in range(300))
    assert 0 < sanitize(html).html.count("color: red") < 100


def test_styles_that_have_to_be_taken_apart_are_fewer():
    odd = "".join(f"<p style='color: red; width: calc({n}px{' + 1px' * 200})'>x</p>" for n in range(200))
    clean = sanitize(odd)
    assert (0 < clean.html.count("color: red") < 30, clean.is_plainer, clean.is_cut) == (True, True, False)
    assert not sanitize(odd[: len(odd) // 10]).is_plainer


STYLES = [
    *("color", "margin-left", "MARGIN", "position", "float", "table-layout", "font", "x", "--x", "u"),
    *(":", ":", ";", ";", " ", "\n", "red", "-5px", "5-3", "fixed", "Sticky", "absolutely", "1e3", "1e"),
    *("#fff", "'Segoe UI'", '"Fixed"', "rgb(1, 2,3)", "argb(1)", "!important", "! important ", "!", "/"),
    *("//a.b", ",", ".", "%", "-", "url", "none"),
]


@given(st.lists(st.sampled_from(STYLES), max_size=15).map("".join))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_of_a_plain_style_is_kept_of_it_when_it_is_taken_apart(monkeypatch, style):
    if not is_plain_style(style):
        return
    html = f"<p style='{style}'>x</p>".replace("'Segoe UI'", '"Segoe UI"').replace('"', "&quot;")
    plain = declarations(html)
    with monkeypatch.context() as patched:
        patched.setattr(sanitizing, "is_plain_style", lambda style: False)
        assert plain <= declarations(html)


def declarations(html):
    """What is left of the only style of a page, without blanks."""
    style = html5lib.parseFragment(sanitize(html).html, namespaceHTMLElements=False)[0].get("style", "")
    return set(filter(None, re.sub(r"\s", "", style.replace("\\65 ", "e")).replace("'", '"').split(";")))


@pytest.mark.parametrize(
    "style",
    ["color: red; float: left", "font: 12px/1.5 Arial, 'Segoe UI' ! important", "color:RGBA(1, 2, 3, .5)"],
)
def test_ordinary_styles_are_plain_and_stay(style):
    assert is_plain_style(style)
    assert len(declarations(f'<p style="{style}">x</p>')) == style.count(":")


def test_inline_images_get_the_address_they_are_served_from():
    html = '<img src="cid:logo@x"><img src="CID:&lt;unknown&gt;">'
    clean = sanitize(html, cid_url=lambda content_id: "/inline/1" if content_id == "logo@x" else None)
    assert clean.html == '<img src="/inline/1"><img>'
    assert clean.remote_image_count == 0


def test_embedded_images_stay():
    html = '<img src="data:image/png;base64,AAAA">'
    assert sanitize(html).html == html


@pytest.mark.parametrize("html", ["<div>" * 5_000 + "text", "<b><a href=x>" * 5_000 + "text"])
def test_too_deep_html_is_shown_as_text(html):
    clean = sanitize(html)
    assert (clean.html.strip(), clean.is_cut) == ("text", True)


def test_plain_text_is_escaped_and_its_links_open_outside():
    html = plain_text_to_html('<b>&"\nsee https://x.y/a_(b). or (www.z.org)')
    assert html.startswith("&lt;b&gt;&amp;&quot;<br>\n")
    assert 'href="https://x.y/a_(b)"' in html
    assert 'href="http://www.z.org"' in html
    assert_harmless(html)


def test_indentation_of_plain_text_is_visible():
    assert plain_text_to_html("a   b") == "a&nbsp;&nbsp; b"


PIECES = [
    *("<img src=x ", "onerror=alert(1)", ">", "<script>", "</script>", "<svg>", "<style>", "</style>"),
    *("<a href=", "javascript:alert(1)", "'", '"', "<!--", "-->", "<math>", "<p style=", "url(", ")"),
    *("&#106;", "\x00", "\t", "<table>", "<td>", "<textarea>", "</textarea>", "<noscript>", "x", " "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_html_is_harmless(html):
    assert_harmless(sanitize(html).html)


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_shown_as_text(text):
    html = plain_text_to_html(text)
    assert_harmless(html)
    assert set(re.findall(r"<(\w+)", html)) <= {"br", "a"}
