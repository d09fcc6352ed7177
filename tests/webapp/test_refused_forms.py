"""Whatever is typed into a form, or left out: its own page comes back and says what is wrong, and where."""

import pytest
from flask import before_render_template
from selectolax.lexbor import LexborHTMLParser

from tests.administration import ADMIN, MEMBER, SYSTEM_ADMIN, Place, pages
from tests.everything import make_everything
from tests.factories import csrf_token, make_user, sign_in
from tests.webapp.reading import value_of_control

UNTYPED = {"hidden", "submit", "button", "checkbox", "radio", "file", "reset"}
# What stands in the fields beside the one that is wrong, where the page has left them empty.
RIGHT = {
    "email": "nora@customer.test",
    "number": "1",
    "date": "2026-05-03",
    "datetime-local": "2026-05-03T09:00",
}
BLANK, LONG, UNSTORABLE = " \t ", "x" * 60_000, "\x00nonsense"
EVERYWHERE = (BLANK, LONG, UNSTORABLE)
NO_CHOICE = "01992f6e-0000-7000-8000-000000000000"  # as where it was deleted meanwhile


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_form_ends_on_a_page_of_errors_for_what_is_typed(app, ours, theirs):
    clients = {
        SYSTEM_ADMIN: sign_in(app, make_user(is_system_admin=True)),
        ADMIN: sign_in(app, ours.admin),
        MEMBER: sign_in(app, ours.member),
    }
    place = Place(ours, make_everything(ours))
    dead_ends, asked = [], set()
    for page in pages(app):
        address = place.address(app, page)
        html = clients[page.who].get(address).text
        for action, values, wrong, alone in forms_of(html, address):
            alike = (*[part for part in action.partition("?")[0].split("/") if len(part) < 30][-2:], *values)
            if alike not in asked:  # the same form behind another door is asked once
                asked.add(alike)
                typed = {**values, "csrf_token": csrf_token(html)}
                dead_ends += dead_ends_of(app, clients[page.who], action, typed, wrong, is_written=True)
                dead_ends += dead_ends_of(app, clients[page.who], action, typed, alone, is_written=False)
    assert len(asked) > 30
    assert not dead_ends, "\n".join(["say at the field what is wrong:", *dead_ends])


def forms_of(html, address):
    """Where each form is sent to, what would be right in its fields, what may be wrong in it, and alone.

    What no database stores is asked of each field alone, too: the next one may be the one that looks.
    """
    for form in LexborHTMLParser(html).css('form[method="post"]'):
        kinds, values = {}, {}
        for control in form.css("input[name], textarea[name], select[name]"):
            kind, value = control.attributes.get("type") or control.tag, value_of_control(control)
            if value is not None:
                name = control.attributes["name"]
                kinds[name] = kind
                values[name] = value or ("" if kind in UNTYPED else RIGHT.get(kind, "Typed"))
        typed = [name for name, kind in kinds.items() if kind not in UNTYPED | {"select"}]
        chosen = [name for name, kind in kinds.items() if kind == "select"]
        wrong = [dict.fromkeys(typed, text) for text in EVERYWHERE if typed]
        wrong += [{name: NO_CHOICE} for name in chosen]
        alone = [{name: UNSTORABLE} for name in typed if len(typed) > 1]
        if wrong:
            yield form.attributes.get("action") or address, values, wrong, alone


def dead_ends_of(app, client, action, typed, wrong, *, is_written):
    """What ends on a page of errors, and with which status."""
    for one in wrong:
        status = refused(app, client, action, typed | one, is_written=is_written)
        if status:
            said = ", ".join(f"{name} as {text[:20]!r}" for name, text in one.items())
            yield f"{action}: {said}: {status}"


class ComesBackError(BaseException):
    """The page of the form is about to be written."""


def refused(app, client, action, values, *, is_written):
    """The status of a page of errors; 0 if another page comes back.

    To write it takes most of the time: where the same was wrong in all fields at once, it is not done again.
    """
    shown = []

    def note(sender, template, context, **more):
        shown.append(template.name)
        if not is_written and template.name != "errors/error.html":
            raise ComesBackError

    with before_render_template.connected_to(note, app):
        try:
            answer = client.post(action, data=values)
        except ComesBackError:
            return 0
    return answer.status_code if "errors/error.html" in shown else 0
