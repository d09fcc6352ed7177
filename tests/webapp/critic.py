"""What every page of Postroom must be: valid, labelled, safe under the strict policy.

`criticise(html, url)` reads one page, or a part of one (as htmx fetches it), and raises one
`AssertionError` whose sentences say what is wrong, where, and what to do. The test client calls it
for every answer, so that each test of a page is a test of all these rules.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import html5lib
from selectolax.lexbor import LexborHTMLParser, LexborNode

# html5lib is older than these; a browser accepts them.
_KNOWN_TO_BROWSERS = {"non-void-element-with-trailing-solidus"}
_UNLABELLED_INPUTS = {"hidden", "submit", "button", "image", "reset"}
# What the grammar does not look at: words between tags, and in the values of attributes (but a type's).
_WORDS = re.compile(r"(?<=>)\s*[^\s<>&\x00-\x1f\x7f-\x9f][^<>&\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*(?=<)")
_VALUES = re.compile(r'(?<!\btype)(?<!\bencoding)="[^"<>&\x00-\x1f\x7f-\x9f]*"')
_MAIN = re.compile(r"<main\b[^>]*>(.*)</main>", re.DOTALL)
_valid: set[str] = set()  # the grammar of what was found to be valid
_shared: Path | None = None
_NAMING = ("aria-label", "aria-labelledby", "title")
_REFERRING = ("aria-describedby", "aria-labelledby", "aria-controls", "for", "popovertarget")


def criticise(html: str, url: str) -> None:
    """Raise an `AssertionError` that names every fault of the page or part at `url`."""
    is_page = "<html" in html[:2000].lower()
    page = LexborHTMLParser(html)
    faults = [
        *_invalid(html, is_page),
        *(fault for rule in _RULES for fault in rule(page)),
        *(fault for rule in (_PAGE_RULES if is_page else ()) for fault in rule(page)),
    ]
    assert not faults, f"{url} has {len(faults)} fault(s):\n- " + "\n- ".join(faults)


def _invalid(html: str, is_page: bool) -> Iterator[str]:
    """What breaks the grammar. It takes longer than to make the page: asked once of what is alike."""
    for part, is_whole in _parts(html, is_page):
        grammar = f"{is_whole} " + _VALUES.sub('="x"', _WORDS.sub("x", part))
        digest = hashlib.sha256(grammar.encode("utf-8", "surrogatepass")).hexdigest()
        if _is_known(digest):
            continue
        faults = list(_errors(part, is_whole))
        if not faults:
            _tell(digest)
        yield from faults


def share_what_is_valid(folder: Path) -> None:
    """Ask once of what is alike in all processes that name the same folder."""
    global _shared
    folder.mkdir(exist_ok=True)
    _shared = folder


def _is_known(digest: str) -> bool:
    if digest not in _valid and _shared is not None and (_shared / digest).exists():
        _valid.add(digest)
    return digest in _valid


def _tell(digest: str) -> None:
    _valid.add(digest)
    if _shared is not None:
        (_shared / digest).touch()


def _parts(html: str, is_page: bool) -> Iterator[tuple[str, bool]]:
    """The frame, of which there are few, and what stands in it; whether each is a whole page."""
    main = _MAIN.search(html) if is_page else None
    if main is None:
        yield html, is_page
        return
    yield html[: main.start(1)] + html[main.end(1) :], True
    yield main[1], False


def _errors(html: str, is_page: bool) -> Iterator[str]:
    parser = html5lib.HTMLParser()
    parser.parse(html) if is_page else parser.parseFragment(html)
    for (line, column), code, details in parser.errors:
        if code not in _KNOWN_TO_BROWSERS:
            near = html.splitlines()[max(line - 1, 0)].strip()[:120] if html else ""
            yield f"Mend the HTML at line {line}, column {column}: {code} {details or ''} near {near!r}"


# ---- Rules of every part of a page


def _ids_are_unique(page: LexborHTMLParser) -> Iterator[str]:
    ids = Counter(_said(tag, "id") for tag in page.css("[id]"))
    for id_, number in ids.items():
        if number > 1:
            yield f"Give each element its own id: {id_!r} is there {number} times"
        if not id_.strip() or " " in id_:
            yield f"An id is one word without spaces, not {id_!r}"


def _controls_have_labels(page: LexborHTMLParser) -> Iterator[str]:
    labelled = {_said(label, "for") for label in page.css("label[for]") if _words(label)}
    for control in page.css("input, select, textarea"):
        if _said(control, "type") in _UNLABELLED_INPUTS or _is_named(control, labelled):
            continue
        yield f"Give a label (or aria-label) to {_shown(control)}"


def _is_named(control: LexborNode, labelled: set[str]) -> bool:
    return (
        _said(control, "id") in labelled
        or _has_a_name(control)
        or any(around.tag == "label" and _words(around) for around in _around(control))
    )


def _links_and_buttons_have_names(page: LexborHTMLParser) -> Iterator[str]:
    for tag in page.css("a[href], button, summary"):
        image = tag.css_first("[aria-label], img[alt]:not([alt=''])")
        if not (_words(tag) or _has_a_name(tag) or image):
            yield f"Say in words (or aria-label) what this does: {_shown(tag)}"
    for button in page.css("button:not([type])"):
        yield f"Give the button a type, submit or button: {_shown(button)}"


def _forms_say_where_and_prove_themselves(page: LexborHTMLParser) -> Iterator[str]:
    for form in page.css("form"):
        method = (_said(form, "method") or "get").lower()
        if method == "dialog":
            continue
        if not _said(form, "action") and not _said(form, "hx-post"):
            yield f"Give the form an action (url_for …): {_shown(form)}"
        has_token = form.css_first("input[name=csrf_token]") is not None
        if method == "post" and not has_token:
            yield f"Put form.hidden_tag() or csrf_field() into {_shown(form)}"
        if method == "get" and has_token:
            yield f"A GET form must not carry the csrf token into addresses: {_shown(form)}"


def _passwords_are_never_echoed(page: LexborHTMLParser) -> Iterator[str]:
    for control in page.css("input[type=password][value]"):
        if _said(control, "value"):
            yield f"Never send a password back: {_said(control, 'name')} has a value"


def _scripts_carry_the_nonce(page: LexborHTMLParser) -> Iterator[str]:
    for tag in page.css("script, style"):
        if not _said(tag, "nonce"):
            yield f"Add the nonce of this answer to {_shown(tag)}, or move it into static/"


def _nothing_is_inline(page: LexborHTMLParser) -> Iterator[str]:
    for tag in page.css("*"):
        attributes = tag.attributes
        if "style" in attributes:
            yield f"Use a class of static/styles instead of style=: {_shown(tag)}"
        for name in attributes:
            if name.lower().startswith(("on", "hx-on")):
                yield f"Listen in static/scripts instead of {name}=: {_shown(tag)}"
        if (attributes.get("href") or "").lower().startswith("javascript:"):
            yield f"A link leads somewhere: {_shown(tag)}"


def _nothing_comes_from_elsewhere(page: LexborHTMLParser) -> Iterator[str]:
    for tag in page.css("script[src], img[src], iframe[src], link[href], use[href]"):
        source = _said(tag, "src") or _said(tag, "href")
        if source.startswith("//") or "://" in source:
            yield f"Serve it from static/, no other host: {_shown(tag)}"


def _pictures_and_frames_are_described(page: LexborHTMLParser) -> Iterator[str]:
    for image in page.css("img:not([alt])"):
        yield f'Describe the picture, or alt="" where words stand beside it: {_shown(image)}'
    for frame in page.css("iframe"):
        if not _said(frame, "title") or "sandbox" not in frame.attributes:
            yield f"A frame has a title and a sandbox: {_shown(frame)}"
        if "allow-scripts" in _said(frame, "sandbox"):
            yield f"No scripts in the frame of a message: {_shown(frame)}"


def _references_lead_somewhere(page: LexborHTMLParser) -> Iterator[str]:
    ids = {_said(tag, "id") for tag in page.css("[id]")}
    for name in _REFERRING:
        for tag in page.css(f"[{name}]"):
            for target in _said(tag, name).split():
                if target not in ids:
                    yield f"{name}={target!r} names no element of the page: {_shown(tag)}"


def _tables_have_headings(page: LexborHTMLParser) -> Iterator[str]:
    for table in page.css("table"):
        if table.css_first("th[scope]") is None:
            yield f"Give the table headings with a scope: {_shown(table)}"
        if table.css_first("caption") is None and not _has_a_name(table):
            yield f"Give the table a caption (it may be sr-only): {_shown(table)}"


def _values_are_meant_for_people(page: LexborHTMLParser) -> Iterator[str]:
    for tag in page.css("td, dd, p, strong, small, h1, h2, li"):
        words = _words(tag)
        if words in {"None", "Undefined"} or ("{{" in words and not _speaks_of_templates(tag)):
            yield f"Say it in words instead of {words[:40]!r} in {_shown(tag)}"


def _speaks_of_templates(tag: LexborNode) -> bool:
    return any({"field-errors", "error-summary"} & set(_said(box, "class").split()) for box in _around(tag))


# ---- Rules of a whole page


def _page_has_title_and_language(page: LexborHTMLParser) -> Iterator[str]:
    title = " ".join(_words(title) for title in page.css("head > title"))
    if not title or title.startswith("·"):
        yield "Fill {% block title %}"
    if page.root is None or not _said(page.root, "lang"):
        yield "Say the language of the page in <html lang>"


def _page_has_one_h1(page: LexborHTMLParser) -> Iterator[str]:
    headings = [_words(heading) for heading in page.css("h1")]
    if len(headings) != 1:
        yield f"A page has exactly one h1, this one has {len(headings)}: {headings}"
    elif not headings[0]:
        yield "The h1 is empty"


def _page_has_landmarks(page: LexborHTMLParser) -> Iterator[str]:
    if len(page.css("main")) != 1:
        yield "A page has exactly one <main>: extend base.html or base_plain.html"
    if page.css_first("body > header") is None:
        yield "A page has a <header>: extend base.html or base_plain.html"
    if page.css_first("a.skip[href='#main']") is None:
        yield "A page begins with the link that skips to #main"
    labels = [_said(nav, "aria-label") or _said(nav, "aria-labelledby") for nav in page.css("nav")]
    if len(labels) > 1 and "" in labels:
        yield "Where there are several <nav>, each has its own aria-label"


# ---- What a tag says


def _said(tag: LexborNode, attribute: str) -> str:
    return tag.attributes.get(attribute) or ""


def _words(tag: LexborNode) -> str:
    return " ".join(tag.text(separator=" ").split())


def _has_a_name(tag: LexborNode) -> bool:
    return any(_said(tag, name).strip() for name in _NAMING)


def _around(tag: LexborNode) -> Iterator[LexborNode]:
    while (tag := tag.parent) is not None:
        yield tag


def _shown(tag: LexborNode) -> str:
    attributes = " ".join(f"{name}={value}" for name, value in list(tag.attributes.items())[:6])
    return f"<{tag.tag} {attributes}>{_words(tag)[:40]}"


_Rule = Callable[[LexborHTMLParser], Iterator[str]]
_RULES: tuple[_Rule, ...] = (
    _ids_are_unique,
    _controls_have_labels,
    _links_and_buttons_have_names,
    _forms_say_where_and_prove_themselves,
    _passwords_are_never_echoed,
    _scripts_carry_the_nonce,
    _nothing_is_inline,
    _nothing_comes_from_elsewhere,
    _pictures_and_frames_are_described,
    _references_lead_somewhere,
    _tables_have_headings,
    _values_are_meant_for_people,
)
_PAGE_RULES: tuple[_Rule, ...] = (
    _page_has_title_and_language,
    _page_has_one_h1,
    _page_has_landmarks,
)
