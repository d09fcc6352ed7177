"""Lead sources and sales channels on their configuration pages."""

from sqlalchemy import select

from mailboxes.crm.channels import Channel, add_channel
from mailboxes.crm.lead_sources import LeadSource, lead_sources, offer_lead_sources
from mailboxes.crm.leads import make_lead
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
    send(client, f"{SOURCES}{own.id}/rename", name="Fairs")
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


def test_a_channel_is_added_changed_and_deactivated(app, ours, theirs):
    client = sign_in(app, ours.admin)
    assert "Without one no message becomes a lead." in read(client, CHANNELS)
    send(client, CHANNELS, name="Sales")
    assert "already" in send(client, CHANNELS, expect=422, name="SALES")
    make_mailbox(ours, action="lead", label="Orders")
    with inside(ours.id):
        channel = db.session.scalars(select(Channel)).one()
    assert "1 mailbox is set to convert to leads and will make none: Orders." in read(client, CHANNELS)
    page = send(client, f"{CHANNELS}{channel.id}/active", at=CHANNELS, active="0")
    assert "No channel is active" in page
    send(client, f"{CHANNELS}{channel.id}/edit", name="Web shop", kind="web")
    send(client, f"{CHANNELS}{channel.id}/active", at=CHANNELS, active="1")
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
        f"{SOURCES}{id}/rename",
        f"{SOURCES}{id}/hide",
        f"{SOURCES}{id}/remove",
        f"{SOURCES}{id}/move",
        f"{SOURCES}{id}/default",
        f"{CHANNELS}{channel.id}/edit",
        f"{CHANNELS}{channel.id}/active",
    ):
        assert client.post(url, data=token).status_code == 404
    assert names(theirs)[0] == "Email"
