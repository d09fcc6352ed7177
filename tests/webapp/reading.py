"""Open pages and send their forms as a browser does; every page is criticised on the way."""

from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.factories import csrf_token
from tests.webapp.critic import criticise


def read(client: Any, url: str, expect: int = 200) -> str:
    """The page at a URL, redirects followed."""
    return judged(client.get(url, follow_redirects=True), url, expect)


def send(client: Any, url: str, *, at: str | None = None, expect: int = 200, **values: Any) -> str:
    """Fill in the form of a page and send it; the page that follows.

    ``at`` is the page that has the form (the URL itself if not given); what is not in ``values``
    stays as the page had it.
    """
    page = client.get(at or url)
    assert page.status_code == 200, page.text
    filled = {**form_values(page.text, url), "csrf_token": csrf_token(page.text), **values}
    data = {name: value for name, value in filled.items() if value is not None}
    return judged(client.post(url, data=data, follow_redirects=True), url, expect)


def judged(answer: Any, url: str, expect: int) -> str:
    """The text of an answer, criticised."""
    assert answer.status_code == expect, f"{url}: {answer.status_code}\n{answer.text[:3000]}"
    criticise(answer.text, url)
    text: str = answer.text
    return text


def words_of(html: str) -> str:
    """What a person reads on the main part of a page."""
    main = LexborHTMLParser(html).css_first("main")
    assert main is not None
    return " ".join(main.text(separator=" ").split())


def errors_of(html: str) -> str:
    """What a form refuses, at its fields and above."""
    found = LexborHTMLParser(html).css(".field-errors, .error-summary")
    return " ".join(" ".join(one.text(separator=" ").split()) for one in found)


def form_values(html: str, action: str) -> dict[str, str]:
    """The fields of the POST form that is sent to ``action`` (or to its own page), as the page shows them."""
    forms = LexborHTMLParser(html).css('form[method="post"]')
    meant = [form for form in forms if form.attributes.get("action") in (action, None)]
    values: dict[str, str] = {}
    for control in meant[0].css("input[name], textarea[name], select[name]") if meant else ():
        value = value_of_control(control)
        if value is not None:
            values[control.attributes["name"] or ""] = value
    return values


def value_of_control(control: LexborNode) -> str | None:
    """What a browser would send of it; None for nothing."""
    attributes = control.attributes
    if control.tag == "textarea":
        return control.text()
    if control.tag == "select":
        chosen = control.css_first("option[selected]") or control.css_first("option")
        return chosen.attributes.get("value") or "" if chosen is not None else None
    if attributes.get("type") in ("checkbox", "radio"):
        return attributes.get("value", "y") or "" if "checked" in attributes else None
    return attributes.get("value") or ""
