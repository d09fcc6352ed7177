"""Organizations, as system administrators see them: listed, made, renamed, closed."""

import io
from zipfile import ZipFile

import pytest
from sqlalchemy import delete, select

from mailboxes.drafts import Draft
from mailboxes.notices import send_due_notices
from mailboxes.organization_deletion import go_on_deleting
from tenants.audit import SystemAuditEntry
from tenants.database import db
from tenants.organizations import MembershipRole, Organization, organizations_of
from tenants.permissions import PERMISSIONS, Role, grant_role
from tenants.users import user_by_address
from tests.factories import (
    PASSWORD,
    csrf_token,
    make_mailbox,
    make_message,
    make_organization,
    make_user,
    sign_in,
)
from tests.mailboxes.sending import outbox
from tests.mailboxes.system_smtp import letters, path_in, send_notices_to
from tests.webapp.reading import read, send, words_of

LIST = "/system/organizations/"
NEW = {"name": "Third", "slug": "third", "address": "boss@third.test"}


@pytest.fixture
def client(app):
    return sign_in(app, make_user(name="Sam System", is_system_admin=True))


def page_of(world):
    return f"{LIST}{world.id}"


def acts():
    return list(db.session.scalars(select(SystemAuditEntry.act).order_by(SystemAuditEntry.id)))


def test_the_list_is_paged_searched_and_narrowed(app, client, ours, theirs):
    for number in range(55):
        db.session.add(Organization(name=f"Firm {number:02}", slug=f"firm-{number:02}"))
    db.session.commit()
    first = read(client, LIST)
    assert "Acme" in first
    assert "Neighbour" not in first  # on the next page
    assert "Neighbour" in read(client, f"{LIST}?q=neigh")
    assert "Firm 00" not in read(client, f"{LIST}?state=disabled")


def test_the_first_administrator_is_invited_by_mail_and_can_begin(app, client, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    send(client, f"{LIST}new", **NEW)
    organization = db.session.scalars(select(Organization).where(Organization.slug == "third")).one()
    send_due_notices(organization.id)
    recipient, subject, text = letters(smtp_sink)[0]
    assert (recipient, subject) == ("boss@third.test", "Sam System invites you to Third")
    boss = app.test_client()
    send(boss, path_in(text), name="Boss", password=PASSWORD, again=PASSWORD)
    assert "Boss" in read(boss, "/configuration/people/")
    assert acts() == ["organization.created"]


def test_without_a_server_the_link_is_handed_over(app, client):
    page = send(client, f"{LIST}new", **NEW)
    path = path_in(page.partition("<code>")[2].partition("<")[0])
    send(app.test_client(), path, name="Boss", password=PASSWORD, again=PASSWORD)
    assert [one.name for one in organizations_of(user_by_address("boss@third.test"))] == ["Third"]


def test_a_short_name_that_is_taken_is_refused_at_its_field(app, client):
    send(client, f"{LIST}new", **NEW)
    page = send(client, f"{LIST}new", **NEW, expect=422)
    assert "Another organization has the short name third already" in page
    assert 'value="boss@third.test"' in page


def test_it_is_renamed_and_both_names_are_on_record(app, client, ours):
    send(client, page_of(ours), name="Acme  & Sons")
    entry = db.session.scalars(select(SystemAuditEntry)).one()
    assert (entry.before, entry.after) == ({"name": "Acme"}, {"name": "Acme & Sons"})


def test_another_administrator_is_invited_where_the_only_one_has_left(app, client, ours):
    page = send(client, f"{page_of(ours)}/invite", at=page_of(ours), address="second@acme.test")
    path = path_in(page.partition("<code>")[2].partition("<")[0])
    second = app.test_client()
    send(second, path, name="Second", password=PASSWORD, again=PASSWORD)
    assert second.get("/configuration/people/").status_code == 200


def test_the_page_names_what_disabling_stops_in_numbers(app, client, ours, theirs):
    make_mailbox(ours)
    page = words_of(read(client, page_of(ours)))
    assert "People who can no longer work here: 2" in page
    assert "Mailboxes that are no longer fetched and answered: 1" in page


def test_a_disabled_organization_is_closed_to_its_members_and_opens_again(app, client, ours, theirs):
    member, neighbour = sign_in(app, ours.admin), sign_in(app, theirs.admin)
    send(client, f"{page_of(ours)}/enable", at=page_of(ours), enabled="0")
    assert member.get("/configuration/people/").status_code == 403
    assert neighbour.get("/configuration/people/").status_code == 200
    send(client, f"{page_of(ours)}/enable", at=page_of(ours), enabled="1")
    assert member.get("/configuration/people/").status_code == 200
    assert acts() == ["organization.disabled", "organization.enabled"]


def test_a_job_that_was_rung_for_a_disabled_organization_sends_nothing(
    app, ours, smtp_sink, certificates, monkeypatch, inside
):
    from tests.mailboxes.sending import act, answering_rule, ask, let_out, sending_mailbox
    from workers.outgoing import send_outbox

    monkeypatch.setattr("workers.runtime._app_of", lambda process_id: app)
    let_out(app, smtp_sink, certificates)
    mailbox = sending_mailbox(ours, smtp_sink)
    answering_rule(ours, mailbox)
    ask(ours, mailbox)
    act(ours)
    db.session.get(Organization, ours.id).is_enabled = False
    db.session.commit()
    send_outbox(str(ours.id))
    assert [row.state for row in outbox(ours)] == ["ready"]
    assert smtp_sink.messages == []


def test_an_administrator_of_an_organization_sees_none_of_this(app, ours, theirs):
    client = sign_in(app, ours.admin)
    for path in (LIST, f"{LIST}new", page_of(theirs)):
        assert client.get(path).status_code == 403
    assert make_organization("Other").name not in client.get(LIST).text


def test_it_is_deleted_with_its_name_typed_after_what_goes_was_named(app, client, ours, theirs, monkeypatch):
    rung = []
    monkeypatch.setattr("workers.queues.ring_deletion", rung.append)
    make_message(ours, make_mailbox(ours))
    member = sign_in(app, ours.admin)
    page = words_of(read(client, f"{page_of(ours)}/delete"))
    assert "Members that go: 2" in page
    assert "Messages that go: 1" in page
    assert "Nobody has taken its archive" in page
    refused = send(client, f"{page_of(ours)}/delete", confirmation="Neighbour", expect=422)
    assert "Type the name Acme to delete it" in refused
    listed = send(client, f"{page_of(ours)}/delete", confirmation="Acme")
    assert "Being deleted" in listed
    assert rung == [ours.id]
    assert acts() == ["organization.deleted"]
    assert "is being deleted" in read(client, page_of(ours), expect=404)
    assert member.get("/configuration/people/").status_code == 403
    while not go_on_deleting(ours.id):
        db.session.remove()
    assert "Acme" not in read(client, LIST)
    assert "Neighbour" in read(client, LIST)


def test_the_configuration_is_handed_out_without_messages_and_is_on_both_records(app, client, ours, theirs):
    make_message(ours, make_mailbox(ours, address="help@acme.test"), text="zqletter")
    token = csrf_token(read(client, f"{page_of(ours)}/delete"))
    content = client.post(f"{page_of(ours)}/configuration-file", data={"csrf_token": token}).text
    assert "help@acme.test" in content
    assert "zqletter" not in content
    assert acts() == ["configuration.exported"]


def test_who_may_export_and_manages_mailboxes_takes_the_archive(app, inside, client, ours, theirs):
    mailbox = make_mailbox(ours)
    make_message(ours, mailbox, text=ours.canary)
    with inside(ours):
        db.session.add(Draft(membership_id=ours.member.id, mailbox_id=mailbox.id, body="Private"))
        db.session.commit()
    admin = sign_in(app, ours.admin)
    page = read(admin, "/configuration/archive/")
    assert "other people's drafts" in words_of(page)
    token = csrf_token(page)
    answer = admin.post("/configuration/archive/", data={"csrf_token": token})
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="acme-')
    archive = ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    assert "Private" not in archive.read("records/drafts.csv").decode()
    assert "Last taken" in words_of(read(admin, "/configuration/archive/"))
    assert "took the archive" in words_of(read(client, f"{page_of(ours)}/delete"))


@pytest.mark.parametrize("lacking", ["mailbox.manage", "audit.view", "lead.view"])
def test_who_may_not_see_all_that_is_in_it_takes_no_archive(app, inside, ours, theirs, lacking):
    with inside(ours):
        role = Role(name="Exporter", permissions=[one for one in PERMISSIONS if one != lacking])
        db.session.add(role)
        db.session.flush()
        held = MembershipRole.membership_id == ours.member.id
        db.session.execute(delete(MembershipRole).where(held))
        grant_role(ours.member, role.id)
        db.session.commit()
    member = sign_in(app, ours.member)
    page = read(member, "/configuration/archive/")
    assert "only people who may see all of that" in words_of(page)
    data = {"csrf_token": csrf_token(page)}
    assert member.post("/configuration/archive/", data=data).status_code == 403
