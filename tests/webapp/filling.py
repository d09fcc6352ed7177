"""Fill in the form of a configuration page as a browser would: what is there, with some of it changed."""

from typing import Any

from bs4 import BeautifulSoup, Tag

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
    form = BeautifulSoup(html, "html.parser").select_one("form.settings-form")
    assert form is not None, "the page has no settings"
    values: dict[str, Any] = {}
    for control in form.select("input[name], textarea[name], select[name]"):
        if not control.has_attr("disabled"):
            _add(values, control)
    return values


def _add(values: dict[str, Any], control: Tag) -> None:
    name = str(control["name"])
    if control.name == "select":
        chosen = control.select_one("option[selected]") or control.select_one("option")
        values[name] = chosen["value"] if chosen else ""
    elif control.get("type") == "checkbox" and control.get("value", "y") != "y":
        if control.has_attr("checked"):
            values.setdefault(name, []).append(control["value"])
    elif control.get("type") == "checkbox":
        values[name] = "y" if control.has_attr("checked") else None
    else:
        values[name] = control.get("value") or control.text.removeprefix("\n")
