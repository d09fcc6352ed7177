"""Fill in the form of a configuration page as a browser would: what is there, with some of it changed."""

from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.factories import csrf_token


def save(client: Any, url: str, **changes: Any) -> Any:
    """Send the form of a page with changes; None leaves a field out (a box that is not ticked)."""
    page = client.get(url)
    return client.post(url, data=filled(page.text, **changes))


def filled(html: str, **changes: Any) -> dict[str, Any]:
    """What the form of a page would send with changes."""
    values = {**fields_of(html), **changes, "csrf_token": csrf_token(html)}
    return {name: value for name, value in values.items() if value is not None}


def fields_of(html: str) -> dict[str, Any]:
    """The names and values of the form's controls; several for what can be ticked more than once."""
    form = LexborHTMLParser(html).css_first("form.settings-form")
    assert form is not None, "the page has no settings"
    values: dict[str, Any] = {}
    for control in form.css("input[name], textarea[name], select[name]"):
        if "disabled" not in control.attributes:
            _add(values, control)
    return values


def _add(values: dict[str, Any], control: LexborNode) -> None:
    attributes = control.attributes
    name, value = attributes["name"] or "", attributes.get("value") or ""
    if control.tag == "select":
        chosen = control.css_first("option[selected]") or control.css_first("option")
        values[name] = chosen.attributes.get("value") or "" if chosen else ""
    elif attributes.get("type") == "checkbox" and value not in ("", "y"):
        if "checked" in attributes:
            values.setdefault(name, []).append(value)
    elif attributes.get("type") == "checkbox":
        values[name] = "y" if "checked" in attributes else None
    else:
        values[name] = value or control.text()
