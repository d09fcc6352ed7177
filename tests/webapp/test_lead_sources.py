"""Lead sources and sales channels on their configuration pages."""

from sqlalchemy import event, select

from mailboxes.crm.channels import Channel, add_channel
from mailboxes.crm.lead_sources import (
    LeadSource,
    add_lead_source,
    lead_source_with_key,
    lead_sources,
    offer_lead_sources,
)
from mailboxes.crm.leads import Lead, LeadChange, make_lead
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.database import db, inside
from tests.factories import csrf_token, make_mailbox, sign_in
from tests.webapp.reading import read, send, words_of

SOURCES, CHANNELS = "/configuration/lead-sources/", "/configuration/channels/"


def offered(organization):
    with inside(organization.id):
        found = {source.key: source.id for source in offer_lead_sources().values()}
        db.session.commit()
    return found


def names(organization):
    with inside(organization.id):
        return [source.name for source in db.session.scalars(lead_sources())]


def test_the_systems_sources_are_taken_over_once(app, ours, theirs):
    client = sign_in(app, ours.admin)
    assert "No lead sources yet" in read(client, SOURCES)
    page = send(client, f"{SOURCES}offer", at=SOURCES)
    assert "Demand Generation" in page
    assert "Take over" not in words_of(page)
    assert names(ours) == ["Email", "Web form", "Phone", "Referral", "Demand Generation"]
    assert names(theirs) == []


def test_a_source_is_added_renamed_and_removed(app, ours):
    offered(ours)
    client = sign_in(app, ours.admin)
    send(client, SOURCES, name="Trade fair")
    assert "already" in send(client, SOURCES, expect=422, name="trade FAIR")
    with inside(ours.id):
        own = db.session.scalars(select(LeadSource).where(LeadSource.key == "trade_fair")).one()
    send(client, f"{SOURCES}{own.id}/edit", name="Fairs")
    assert names(ours)[-1] == "Fairs"
    send(client, f"{SOURCES}{own.id}/remove", at=SOURCES)
    assert "Fairs" not in names(ours)
    with inside(ours.id):
        acts = [entry.act for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.at))]
    assert acts == ["lead_source.added", "lead_source.renamed", "lead_source.removed"]


def test_a_used_source_cannot_vanish(app, ours):
    ids = offered(ours)
    client = sign_in(app, ours.admin)
    send(client, SOURCES, name="Fairs")
    send(client, SOURCES, name="Flyers")
    with inside(ours.id):
        own = {source.key: source.id for source in db.session.scalars(lead_sources())}
        make_lead({"name": "Tents", "source_id": own["fairs"]}, "Ada")
        db.session.commit()
    mailbox = make_mailbox(ours, action="lead", action_settings={"source": "flyers"})
    token = {"csrf_token": csrf_token(read(client, SOURCES))}
    for id, words in (
        (own["fairs"], "1 lead has this source"),
        (own["flyers"], mailbox.label),
        (ids["phone"], "Hide it instead"),
        (ids["email"], "Hide it instead"),
    ):
        answer = client.post(f"{SOURCES}{id}/remove", data=token, follow_redirects=True)
        assert words in answer.text
    assert len(names(ours)) == 7


def test_sources_are_ordered_hidden_and_made_the_default(app, ours):
    ids = offered(ours)
    client = sign_in(app, ours.admin)
    send(client, f"{SOURCES}{ids['phone']}/move", at=SOURCES, direction="up")
    assert names(ours)[:3] == ["Email", "Phone", "Web form"]
    assert "cannot be hidden" in send(client, f"{SOURCES}{ids['email']}/hide", at=SOURCES, hidden="1")
    send(client, f"{SOURCES}{ids['phone']}/hide", at=SOURCES, hidden="1")
    assert "Hidden" in words_of(read(client, SOURCES))
    send(client, f"{SOURCES}{ids['phone']}/default", at=SOURCES)
    with inside(ours.id):
        rows = db.session.scalars(lead_sources()).all()
    assert [(row.key, row.is_hidden) for row in rows if row.is_default] == [("phone", False)]


def test_a_source_of_the_system_is_overridden_and_follows_again(app, ours):
    ids = offered(ours)
    client = sign_in(app, ours.admin)
    url = f"{SOURCES}{ids['phone']}/edit"
    page = send(client, url, name="Hotline", follows_name=None, hidden="1", follows_hidden=None)
    assert "Hotline System: “Phone”" in words_of(page)
    assert "Overridden" in words_of(page)
    send(client, url, follows_name="y")
    assert (names(ours)[2], phone(ours).overrides) == ("Phone", ["hidden"])
    send(client, f"{SOURCES}{ids['phone']}/follow", at=SOURCES)
    assert (phone(ours).is_hidden, phone(ours).overrides) == (False, [])


def phone(world):
    with inside(world.id):
        return db.session.scalars(select(LeadSource).where(LeadSource.key == "phone")).one()


def test_a_dragged_order_is_the_organizations_own_until_it_follows_again(app, ours, theirs):
    ids = offered(ours)
    foreign = offered(theirs)["email"]
    client = sign_in(app, ours.admin)
    token = csrf_token(read(client, SOURCES))
    data = {"csrf_token": token, "order": [str(ids["referral"]), str(ids["email"])], "quietly": "1"}
    assert client.post(f"{SOURCES}order", data=data).status_code == 204
    assert names(ours)[:3] == ["Referral", "Email", "Web form"]
    assert client.post(f"{SOURCES}order", data=data | {"order": str(foreign)}).status_code == 404
    assert "The order is this organization’s own." in words_of(read(client, SOURCES))
    send(client, f"{SOURCES}follow", at=SOURCES, what="position")
    assert names(ours)[:3] == ["Email", "Web form", "Phone"]


def test_the_first_of_many_mailboxes_are_named_and_the_others_counted(app, ours, theirs):
    offered(ours)
    for number in range(7):
        make_mailbox(ours, label=f"Box {number}", action="lead", action_settings={"source": "web_form"})
    make_mailbox(ours, label="Case box", action="case", action_settings={"source": "web_form"})
    make_mailbox(theirs, label="Box of theirs", action="lead", action_settings={"source": "web_form"})
    page = words_of(read(sign_in(app, ours.admin), SOURCES))
    assert "Box 0, Box 1, Box 2, Box 3, Box 4 and 2 more" in page
    assert "Case box" not in page
    assert "Box of theirs" not in page


def test_two_sources_become_one_with_their_leads_and_mailboxes(app, ours, theirs):
    ids, foreign = offered(ours), offered(theirs)
    client = sign_in(app, ours.admin)
    with inside(ours.id):
        for number in range(3):
            make_lead({"name": f"Tent {number}", "source_id": ids["phone"]}, "Ada")
        db.session.commit()
    with inside(theirs.id):
        make_lead({"name": "Theirs", "source_id": foreign["phone"]}, "Ada")
        db.session.commit()
    mailbox = make_mailbox(ours, action="lead", action_settings={"source": "phone"}, label="Orders")
    url = f"{SOURCES}{ids['phone']}/merge"
    asked = words_of(read(client, url))
    assert "3 leads get the other source" in asked
    assert "1 mailbox gives new leads the other source: Orders." in asked
    send(client, url, at=url, expect=422, into=str(foreign["email"]))
    page = words_of(send(client, url, into=str(ids["email"])))
    assert "“Phone” was merged into “Email”: 3 leads have it now." in page
    assert "“Phone” counts as “Email”." in page
    with inside(ours.id):
        leads = db.session.scalars(select(Lead)).all()
        assert {lead.source_id for lead in leads} == {ids["email"]}
        changes = db.session.scalars(
            select(LeadChange.changes).where(LeadChange.lead_id == leads[0].id)
        ).all()
        assert {"source": ["Phone", "Email"]} in changes
        merged = db.session.scalars(select(Mailbox).where(Mailbox.id == mailbox.id)).one()
        assert merged.action_settings["source"] == "email"
        assert lead_source_with_key("phone").key == "email"
    with inside(theirs.id):
        assert db.session.scalars(select(Lead.source_id)).one() == foreign["phone"]
    send(client, f"{SOURCES}{ids['phone']}/take-apart", at=SOURCES)
    assert "Phone" in names(ours)


def test_the_page_asks_no_more_for_more_sources(app, ours, theirs):
    offered(ours)
    client = sign_in(app, ours.admin)
    read(client, SOURCES)

    def queries():
        asked = []

        def note(conn, cursor, statement, *rest):
            asked.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        read(client, SOURCES)
        event.remove(db.engine, "before_cursor_execute", note)
        return len(asked)

    few = queries()
    with inside(ours.id):
        for number in range(20):
            source = add_lead_source(f"Source {number}")
            make_lead({"name": "Tents", "source_id": source.id}, "Ada")
        db.session.commit()
    for number in range(3):
        make_mailbox(ours, action="lead", action_settings={"source": f"source_{number}"})
    assert queries() == few


def test_a_channel_is_added_changed_and_deactivated(app, ours, theirs):
    client = sign_in(app, ours.admin)
    assert "Without one no message becomes a lead." in read(client, CHANNELS)
    send(client, CHANNELS, name="Sales")
    assert "already" in send(client, CHANNELS, expect=422, name="SALES")
    make_mailbox(ours, action="lead", label="Orders")
    with inside(ours.id):
        channel = db.session.scalars(select(Channel)).one()
    asked = read(client, f"{CHANNELS}{channel.id}/active")
    assert "1 mailbox is set to convert to leads and will make none: Orders." in asked
    page = send(client, f"{CHANNELS}{channel.id}/active", active="0")
    assert "No channel is active" in page
    send(client, f"{CHANNELS}{channel.id}/edit", name="Web shop", kind="web")
    assert "1 mailbox makes leads again" in read(client, f"{CHANNELS}{channel.id}/active")
    send(client, f"{CHANNELS}{channel.id}/active", active="1")
    assert "Deactivate it first" in send(client, f"{CHANNELS}{channel.id}/remove", at=CHANNELS)
    with inside(ours.id):
        channel = db.session.scalars(select(Channel)).one()
        assert (channel.name, channel.kind, channel.is_active) == ("Web shop", "web", True)
    with inside(theirs.id):
        assert db.session.scalars(select(Channel)).all() == []


def test_members_and_neighbours_stay_outside(app, ours, theirs):
    id = offered(theirs)["email"]
    with inside(theirs.id):
        channel = add_channel(theirs.canary)
        db.session.commit()
    assert sign_in(app, ours.member).get(SOURCES).status_code == 403
    assert sign_in(app, ours.member).get(CHANNELS).status_code == 403
    client = sign_in(app, ours.admin)
    token = {"csrf_token": csrf_token(read(client, SOURCES)), "name": "Mine", "kind": "web", "hidden": "1"}
    for url in (
        f"{SOURCES}{id}/edit",
        f"{SOURCES}{id}/merge",
        f"{SOURCES}{id}/follow",
        f"{SOURCES}{id}/take-apart",
        f"{SOURCES}{id}/hide",
        f"{SOURCES}{id}/remove",
        f"{SOURCES}{id}/move",
        f"{SOURCES}{id}/default",
        f"{CHANNELS}{channel.id}/edit",
        f"{CHANNELS}{channel.id}/active",
        f"{CHANNELS}{channel.id}/remove",
    ):
        assert client.post(url, data=token).status_code == 404
    assert names(theirs)[0] == "Email"
