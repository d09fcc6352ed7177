"""The system's pages of what it offers to every organization: lead sources and email templates."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes import templates
from mailboxes.crm.lead_sources import lead_sources, rename_lead_source
from mailboxes.global_mailboxes import following, overriding
from mailboxes.offering import carry_offers
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template, TemplateValues, save_template, values_of
from tenants.audit import Actor, SystemAuditEntry
from tenants.database import db
from tests.factories import csrf_token, make_user, sign_in
from tests.mailboxes.global_mailboxes.saying import RULE_KEYS, make_global, rule, system_says
from tests.webapp.reading import judged, read, send, words_of

SOURCES, TEMPLATES = "/system/lead-sources/", "/system/templates/"


@pytest.fixture
def client(app, ours, theirs):
    carry_offers()
    return sign_in(app, make_user(name="Rosa", is_system_admin=True))


def sources(inside, world):
    with inside(world):
        return {one.key: one for one in db.session.scalars(lead_sources())}


def test_a_source_is_offered_to_every_organization_and_followed(client, inside, ours, theirs):
    with inside(ours):
        rename_lead_source(sources_of("phone"), "Hotline")
        db.session.commit()
    send(client, SOURCES, name="Trade fair")
    send(client, f"{SOURCES}phone/edit", name="Telephone")
    send(client, f"{SOURCES}trade_fair/move", at=SOURCES, direction="up")
    send(client, f"{SOURCES}web_form/hide", at=SOURCES, hidden="1")
    send(client, f"{SOURCES}trade_fair/default", at=SOURCES)
    assert "cannot be hidden" in send(client, f"{SOURCES}trade_fair/hide", at=SOURCES, hidden="1")
    for world, name in ((ours, "Hotline"), (theirs, "Telephone")):
        found = sources(inside, world)
        assert found["phone"].name == name
        assert list(found)[-2:] == ["trade_fair", "demand_generation"]
        assert found["web_form"].is_hidden
        assert found["trade_fair"].is_default
    row = BeautifulSoup(read(client, SOURCES), "html.parser").select_one("tr[data-sort-id=phone]")
    assert [cell.get_text() for cell in row.select("td.number")] == ["1", "1"]
    acts = set(db.session.scalars(select(SystemAuditEntry.act)))
    assert {"lead_source.added", "lead_source.renamed", "lead_source.moved", "lead_source.default"} <= acts


def sources_of(key):
    return db.session.scalars(lead_sources()).all()[[*("email", "web_form", "phone")].index(key)]


def test_the_dragged_order_of_the_system_is_followed(client, inside, theirs):
    token = csrf_token(read(client, SOURCES))
    data = {"csrf_token": token, "order": ["referral", "phone"], "quietly": "1"}
    assert client.post(f"{SOURCES}order", data=data).status_code == 204
    assert list(sources(inside, theirs))[:3] == ["referral", "phone", "email"]
    assert client.post(f"{SOURCES}order", data=data | {"order": "odd"}).status_code == 404


def test_withdrawing_says_before_where_a_source_stays(client, inside, ours, theirs):
    with inside(ours):
        rename_lead_source(sources_of("phone"), "Hotline")
        db.session.commit()
    page = words_of(read(client, f"{SOURCES}phone/withdraw"))
    assert "Goes from 1 organization that neither uses nor changed it" in page
    assert "Stays in 1 organization, as its own" in page
    send(client, f"{SOURCES}phone/withdraw")
    assert "phone" not in sources(inside, theirs)
    assert sources(inside, ours)["phone"].system_key is None
    read(client, f"{SOURCES}phone/edit", expect=404)


def test_what_global_mailboxes_use_is_not_withdrawn(client, inside, ours, theirs):
    """It says where it is used, in numbers; what organizations use themselves they keep."""
    id = make_global(ours, theirs)
    system_says(id, "rules", [rule(RULE_KEYS[0], "Night", is_active=True)])
    system_says(id, "source", "phone")
    following.follow(id)
    with inside(ours):
        mailbox = db.session.scalar(select(Mailbox))
        overriding.override(mailbox, "source", "referral", by=Actor("Ada"))  # it makes no leads yet
        db.session.commit()
    for url, words, followed in (
        (f"{TEMPLATES}acknowledgement", "Info : 1 rule,", "followed in 2 organizations"),
        (f"{SOURCES}phone", "Info :", "followed in 1 organization"),
    ):
        page = words_of(read(client, f"{url}/withdraw"))
        assert f"{words} {followed}" in page
        assert "Withdraw Cancel" not in page
        token = csrf_token(read(client, f"{url}/withdraw"))
        refused = client.post(f"{url}/withdraw", data={"csrf_token": token}, follow_redirects=True)
        assert "Change them first" in refused.text
    assert "used by global mailboxes" in words_of(read(client, f"{TEMPLATES}acknowledgement")).lower()
    assert "Still used there by 1 mailbox of 1 organization" in words_of(
        read(client, f"{SOURCES}referral/withdraw")
    )
    send(client, f"{SOURCES}referral/withdraw")
    assert "referral" in sources(inside, ours)
    assert "referral" not in sources(inside, theirs)


def test_a_template_is_offered_changed_copied_and_withdrawn(client, inside, ours, theirs):
    with inside(ours):
        save_template(TemplateValues("Closing", texts={"en": ("", "Ours.")}), by=Actor("Ada"))
        db.session.commit()
    page = send(client, f"{TEMPLATES}new", name="Closing", content_en="{{ case.statuss }}", expect=422)
    assert "there is no variable case.statuss; did you mean case.status?" in page
    send(client, f"{TEMPLATES}new", name="Closing", content_en="It is {{ case.status }}.", used_for="case")
    assert copies(inside, ours)["closing"].name == "Closing 2"
    assert copies(inside, theirs)["closing"].name == "Closing"
    send(client, f"{TEMPLATES}closing", content_de="Fertig.")
    with inside(theirs):
        assert set(values_of(copies(inside, theirs)["closing"]).texts) == {"en", "de"}
    page = send(client, f"{TEMPLATES}closing/clone", at=f"{TEMPLATES}closing")
    assert "Closing (copy)" in page
    page = read(client, f"{TEMPLATES}closing/preview?language=en")
    frame = BeautifulSoup(page, "html.parser").select_one("iframe")
    assert "It is open." in client.get(frame["src"]).text
    assert "Stays in 1 organization" in words_of(read(client, f"{TEMPLATES}closing/withdraw"))
    send(client, f"{TEMPLATES}closing/withdraw")
    assert "closing" not in copies(inside, theirs)
    with inside(ours):
        assert {"Closing", "Closing 2"} <= {one.name for one in db.session.scalars(templates.templates())}


def copies(inside, world):
    with inside(world):
        return {one.system_key: one for one in db.session.scalars(select(Template)) if one.system_key}


def test_a_template_that_came_with_the_installation_comes_back(client, inside, theirs):
    url = f"{TEMPLATES}acknowledgement"
    send(client, url, content_en="Thanks.", name="Receipt")
    assert copies(inside, theirs)["acknowledgement"].name == "Receipt"
    page = send(client, f"{url}/built-in", at=url)
    assert "as it came with the installation" in page
    assert copies(inside, theirs)["acknowledgement"].name == "Acknowledgement"
    assert "Acknowledgement" in words_of(read(client, TEMPLATES))


def test_only_system_administrators_define_what_is_offered(app, ours, theirs):
    client = sign_in(app, ours.admin)
    token = csrf_token(read(client, "/configuration/lead-sources/"))
    for url in (SOURCES, TEMPLATES, f"{SOURCES}email/edit", f"{TEMPLATES}acknowledgement"):
        judged(client.get(url), url, 403)
        assert client.post(url, data={"csrf_token": token, "name": "x"}).status_code in (403, 405)
