"""A form that replaces what is stored tells whoever sends it that somebody else was there before."""

from bs4 import BeautifulSoup
from flask import template_rendered

from tenants.audit import Actor
from tenants.database import db, inside
from tenants.people.roles import save_role
from tests.administration import ADMIN, MEMBER, SYSTEM_ADMIN, Place, pages
from tests.everything import make_everything
from tests.factories import csrf_token, make_user, sign_in
from tests.webapp.filling import fields_of
from tests.webapp.reading import form_values, words_of
from webapp.versions import VersionedForm

BOB, RIGHTS = Actor("Bob"), frozenset({"lead.view"})
MAKES = {"new", "new_rule", "new_view", "index"}  # something new, with a form that replaces nothing
TOLD = "while you were typing. What you typed is still here"


def test_every_form_that_replaces_what_is_stored_tells_of_a_second_writer(app, ours, theirs):
    clients = {
        SYSTEM_ADMIN: sign_in(app, make_user(is_system_admin=True)),
        ADMIN: sign_in(app, ours.admin),
        MEMBER: sign_in(app, ours.member),
    }
    place = Place(ours, make_everything(ours))
    found = {
        page.endpoint: tells(app, clients[page.who], place.address(app, page))
        for page in pages(app)
        if not page.query and page.rule.rule in sent(app) and page.endpoint.partition(".")[2] not in MAKES
    }
    silent = [endpoint for endpoint, is_told in found.items() if is_told is False]
    assert silent == [], "show form.version on these pages, and validate before anything is stored"
    told = {endpoint for endpoint, is_told in found.items() if is_told}
    assert {"templates.edit", "mailboxes.edit_rule", "routing.edit_rule", "roles.edit"} <= told


def sent(app):
    """The addresses that forms are sent to."""
    return {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}


def tells(app, client, address):
    """Whether a form is stopped that was opened with something else; None where there is none."""
    shown = []

    def note(sender, context, **more):
        shown.append(context.get("form"))

    with template_rendered.connected_to(note, app):
        page = client.get(address).text
    if not any(isinstance(form, VersionedForm) for form in shown):
        return None
    fields = fields_of(page) if "settings-form" in page else form_values(page, address)
    typed = {**fields, "csrf_token": csrf_token(page), "version": "of-something-else.1", "save": "1"}
    answer = client.post(address, data=typed)
    return "version" in fields and answer.status_code == 422 and TOLD in answer.text


def test_it_says_who_was_there_when_and_how_to_go_on(app, ours, theirs):
    with inside(ours.id):
        role = save_role(None, "Sales", ["lead.view"], by=RIGHTS, actor=BOB)
        db.session.commit()
    client, url = sign_in(app, ours.admin), f"/configuration/roles/{role.id}"
    page = client.get(url).text
    typed = {**form_values(page, url), "csrf_token": csrf_token(page), "name": "Typed by Ada"}
    with inside(ours.id):
        found = db.session.get_one(type(role), (ours.id, role.id))
        save_role(found, "Typed by Bob", ["lead.view"], by=RIGHTS, actor=BOB)
        db.session.commit()
    answer = client.post(url, data=typed)
    words = words_of(answer.text)
    assert "Bob changed this on" in words
    assert TOLD in words
    (link,) = BeautifulSoup(answer.text, "html.parser").select(".error-summary a[target=_blank]")
    assert (link["href"], link.get_text()) == (url, "See what is stored now (in a new tab)")
    assert form_values(answer.text, url)["name"] == "Typed by Ada"
    again = {**typed, "version": form_values(answer.text, url)["version"]}
    assert client.post(url, data=again).status_code == 302
