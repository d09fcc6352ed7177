"""What every page of Postroom must be: valid, labelled, safe under the strict policy.

`criticise(html, url)` reads one page, or a part of one (as htmx fetches it), and raises one
`AssertionError` whose sentences say what is wrong, where, and what to do. The test client calls it
for every answer, so that each test of a page is a test of all these rules.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import html5lib
from bs4 import BeautifulSoup, Tag

# html5lib is older than these; a browser accepts them.
_KNOWN_TO_BROWSERS = {"non-void-element-with-trailing-solidus"}
_UNLABELLED_INPUTS = {"hidden", "submit", "button", "image", "reset"}
_NAMING = ("aria-label", "aria-labelledby", "title")
_REFERRING = ("aria-describedby", "aria-labelledby", "aria-controls", "for", "popovertarget")


def criticise(html: str, url: str) -> None:
    """Raise an `AssertionError` that names every fault of the page or part at `url`."""
    is_page = "<html" in html[:2000].lower()
    soup = BeautifulSoup(html, "html5lib")
    faults = [
        *_invalid(html, is_page),
        *(fault for rule in _RULES for fault in rule(soup)),
        *(fault for rule in (_PAGE_RULES if is_page else ()) for fault in rule(soup)),
    ]
    assert not faults, f"{url} has {len(faults)} fault(s):\n- " + "\n- ".join(faults)


def _invalid(html: str, is_page: bool) -> Iterator[str]:
    parser = html5lib.HTMLParser()
    parser.parse(html) if is_page else parser.parseFragment(html)
    for (line, column), code, details in parser.errors:
        if code not in _KNOWN_TO_BROWSERS:
            near = html.splitlines()[max(line - 1, 0)].strip()[:120] if html else ""
            yield f"Mend the HTML at line {line}, column {column}: {code} {details or ''} near {near!r}"


# ---- Rules of every part of a page


def _ids_are_unique(soup: BeautifulSoup) -> Iterator[str]:
    ids = Counter(str(tag["id"]) for tag in soup.find_all(id=True))
    for id_, number in ids.items():
        if number > 1:
            yield f"Give each element its own id: {id_!r} is there {number} times"
        if not id_.strip() or " " in id_:
            yield f"An id is one word without spaces, not {id_!r}"


def _controls_have_labels(soup: BeautifulSoup) -> Iterator[str]:
    labelled = {str(label["for"]) for label in soup.select("label[for]") if label.get_text(strip=True)}
    for control in soup.select("input, select, textarea"):
        if control.get("type") in _UNLABELLED_INPUTS or _is_named(control, labelled):
            continue
        yield f"Give a label (or aria-label) to {_shown(control)}"


def _is_named(control: Tag, labelled: set[str]) -> bool:
    around = control.find_parent("label")
    return (
        control.get("id") in labelled
        or any(str(control.get(name) or "").strip() for name in _NAMING)
        or (around is not None and bool(around.get_text(strip=True)))
    )


def _links_and_buttons_have_names(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.select("a[href], button, summary"):
        image = tag.select_one("[aria-label], img[alt]:not([alt=''])")
        if not (tag.get_text(strip=True) or any(tag.get(name) for name in _NAMING) or image):
            yield f"Say in words (or aria-label) what this does: {_shown(tag)}"
    for button in soup.select("button:not([type])"):
        yield f"Give the button a type, submit or button: {_shown(button)}"


def _forms_say_where_and_prove_themselves(soup: BeautifulSoup) -> Iterator[str]:
    for form in soup.find_all("form"):
        method = str(form.get("method", "get")).lower()
        if method == "dialog":
            continue
        if not form.get("action") and not form.get("hx-post"):
            yield f"Give the form an action (url_for …): {_shown(form)}"
        if method == "post" and form.select_one("input[name=csrf_token]") is None:
            yield f"Put form.hidden_tag() or csrf_field() into {_shown(form)}"
        if method == "get" and form.select_one("input[name=csrf_token]") is not None:
            yield f"A GET form must not carry the csrf token into addresses: {_shown(form)}"


def _passwords_are_never_echoed(soup: BeautifulSoup) -> Iterator[str]:
    for control in soup.select("input[type=password][value]"):
        if control["value"]:
            yield f"Never send a password back: {control.get('name')} has a value"


def _scripts_carry_the_nonce(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.select("script, style"):
        if not tag.get("nonce"):
            yield f"Add the nonce of this answer to {_shown(tag)}, or move it into static/"


def _nothing_is_inline(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.find_all(True):
        if "style" in tag.attrs:
            yield f"Use a class of postroom.css instead of style=: {_shown(tag)}"
        for name in tag.attrs:
            if name.lower().startswith(("on", "hx-on")):
                yield f"Listen in postroom.js instead of {name}=: {_shown(tag)}"
        if str(tag.get("href", "")).lower().startswith("javascript:"):
            yield f"A link leads somewhere: {_shown(tag)}"


def _nothing_comes_from_elsewhere(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.select("script[src], img[src], iframe[src], link[href], use[href]"):
        source = str(tag.get("src") or tag.get("href") or "")
        if source.startswith("//") or "://" in source:
            yield f"Serve it from static/, no other host: {_shown(tag)}"


def _pictures_and_frames_are_described(soup: BeautifulSoup) -> Iterator[str]:
    for image in soup.select("img:not([alt])"):
        yield f'Describe the picture, or alt="" where words stand beside it: {_shown(image)}'
    for frame in soup.find_all("iframe"):
        if not frame.get("title") or frame.get("sandbox") is None:
            yield f"A frame has a title and a sandbox: {_shown(frame)}"
        if "allow-scripts" in str(frame.get("sandbox")):
            yield f"No scripts in the frame of a message: {_shown(frame)}"


def _references_lead_somewhere(soup: BeautifulSoup) -> Iterator[str]:
    ids = {str(tag["id"]) for tag in soup.find_all(id=True)}
    for name in _REFERRING:
        for tag in soup.select(f"[{name}]"):
            for target in str(tag[name]).split():
                if target not in ids:
                    yield f"{name}={target!r} names no element of the page: {_shown(tag)}"


def _tables_have_headings(soup: BeautifulSoup) -> Iterator[str]:
    for table in soup.find_all("table"):
        if table.select_one("th[scope]") is None:
            yield f"Give the table headings with a scope: {_shown(table)}"
        if table.find("caption") is None and not any(table.get(name) for name in _NAMING):
            yield f"Give the table a caption (it may be sr-only): {_shown(table)}"


def _values_are_meant_for_people(soup: BeautifulSoup) -> Iterator[str]:
    for tag in soup.select("td, dd, p, strong, small, h1, h2, li"):
        speaks_of_templates = tag.find_parent(class_=["field-errors", "error-summary"]) is not None
        is_unfilled = "{{" in tag.get_text() and not speaks_of_templates
        if tag.get_text(strip=True) in {"None", "Undefined"} or is_unfilled:
            yield f"Say it in words instead of {tag.get_text(strip=True)[:40]!r} in {_shown(tag)}"


# ---- Rules of a whole page


def _page_has_title_and_language(soup: BeautifulSoup) -> Iterator[str]:
    title = soup.title.get_text(strip=True) if soup.title else ""
    if not title or title.startswith("·"):
        yield "Fill {% block title %}"
    if soup.html is None or not soup.html.get("lang"):
        yield "Say the language of the page in <html lang>"


def _page_has_one_h1(soup: BeautifulSoup) -> Iterator[str]:
    headings = [heading.get_text(strip=True) for heading in soup.find_all("h1")]
    if len(headings) != 1:
        yield f"A page has exactly one h1, this one has {len(headings)}: {headings}"
    elif not headings[0]:
        yield "The h1 is empty"


def _page_has_landmarks(soup: BeautifulSoup) -> Iterator[str]:
    if len(soup.find_all("main")) != 1:
        yield "A page has exactly one <main>: extend base.html or base_plain.html"
    if soup.select_one("body > header") is None:
        yield "A page has a <header>: extend base.html or base_plain.html"
    if soup.select_one("a.skip[href='#main']") is None:
        yield "A page begins with the link that skips to #main"
    navigations = soup.find_all("nav")
    labels = [str(nav.get("aria-label") or nav.get("aria-labelledby") or "") for nav in navigations]
    if len(navigations) > 1 and "" in labels:
        yield "Where there are several <nav>, each has its own aria-label"


def _shown(tag: Tag) -> str:
    words = tag.get_text(" ", strip=True)[:40]
    attributes = " ".join(
        f"{name}={value if isinstance(value, str) else ' '.join(value)!r}"
        for name, value in list(tag.attrs.items())[:6]
    )
    return f"<{tag.name} {attributes}>{words}"


_Rule = Callable[[BeautifulSoup], Iterator[str]]
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
