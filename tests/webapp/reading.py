"""Open pages and send their forms as a browser does; every page is criticised on the way."""

from typing import Any

from bs4 import BeautifulSoup, Tag

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
    main = BeautifulSoup(html, "html.parser").select_one("main")
    assert main is not None
    return " ".join(main.get_text(" ").split())


def form_values(html: str, action: str) -> dict[str, str]:
    """The fields of the POST form that is sent to ``action`` (or to its own page), as the page shows them."""
    soup = BeautifulSoup(html, "html.parser")
    forms = [form for form in soup.select('form[method="post"]') if form.get("action") in (action, None)]
    values: dict[str, str] = {}
    for control in forms[0].select("input[name], textarea[name], select[name]") if forms else ():
        value = _value(control)
        if value is not None:
            values[str(control["name"])] = value
    return values


def _value(control: Tag) -> str | None:
    if control.name == "textarea":
        return control.get_text().removeprefix("\n").removeprefix("\r\n")
    if control.name == "select":
        chosen = control.select_one("option[selected]") or control.select_one("option")
        return str(chosen["value"]) if chosen is not None else None
    if control.get("type") in ("checkbox", "radio"):
        return str(control.get("value", "y")) if control.has_attr("checked") else None
    return str(control.get("value", ""))
