"""Access to a mailbox: chosen, looked at before it is saved, and explained."""

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.access import grants_in_effect, members_with_access, readable_mailboxes
from mailboxes.setup import Grant
from mailboxes.setup.granting import access_changes
from mailboxes.system_mailboxes import MailboxGrant
from tenants.database import db
from tenants.organizations import Membership
from tenants.permissions import MEMBER, Role, grant_role, roles
from tests.factories import make_mailbox, make_member, make_message, sign_in
from tests.webapp.critic import criticise
from tests.webapp.reading import form_values, read, send, words_of

NEW = "/configuration/mailboxes/new"


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours, label="Support", readers=(ours.admin,))


@pytest.fixture
def sales(ours, inside):
    """A role that nobody holds yet."""
    with inside(ours):
        role = Role(name="Sales", permissions=[])
        db.session.add(role)
        db.session.commit()
    return role


def url_of(mailbox, more=""):
    return f"/configuration/mailboxes/{mailbox.id}{more}"


def hold(inside, world, role, *members):
    with inside(world):
        for member in members:
            grant_role(member, role.id)
        db.session.commit()


def member_role(inside, world):
    with inside(world):
        return next(role for role in db.session.scalars(roles()) if role.system_key == MEMBER)


def asked(client, mailbox, **pressed):
    """The section after one of its buttons was pressed, as htmx fetches it."""
    page = read(client, url_of(mailbox))
    data = {**form_values(page, url_of(mailbox)), **pressed}
    answer = client.post(url_of(mailbox, "/access"), data=data)
    assert answer.status_code == 200
    criticise(answer.text, "access")
    return BeautifulSoup(answer.text, "html.parser")


def found(section):
    return [button["value"] for button in section.select("#access-found button")]


def changes_in(section):
    return " ".join(section.select_one("#access-changes").get_text(" ").split())


def granted(inside, world):
    with inside(world):
        return {(g.role_id or g.membership_id, g.level) for g in db.session.scalars(select(MailboxGrant))}


def test_roles_and_people_are_found_by_typing_and_the_neighbours_are_not(
    ours, theirs, client, mailbox, sales
):
    make_member(ours.id, "Selma Sale")
    make_member(theirs.id, "Sale Stranger")
    section = asked(client, mailbox, find="sale")
    assert found(section)[0] == f"role-{sales.id}"
    assert len(found(section)) == 2
    assert "Stranger" not in section.get_text()
    assert found(asked(client, mailbox, find="nobody at all")) == []
    assert "%" not in found(asked(client, mailbox, find="%"))


def test_adding_and_removing_says_who_gains_and_who_loses_and_saves_nothing(
    inside, ours, client, mailbox, sales
):
    hold(inside, ours, sales, *(make_member(ours.id, name, role=None) for name in ("Ann", "Ben")))
    before = granted(inside, ours)
    section = asked(client, mailbox, add=f"role-{sales.id}")
    assert section.select_one(f"select#access-role-{sales.id} option[selected]")["value"] == "reply"
    told = "2 people gain access : Ann (through role Sales), Ben (through role Sales)"
    assert told in changes_in(section)
    assert "Sales added" in section.select_one("#access-editor")["data-announce"]
    assert f"role-{sales.id}" not in found(section)
    section = asked(client, mailbox, remove=f"member-{ours.admin.id}")
    assert f"1 person loses access : {ours.admin.name} (granted personally)" in changes_in(section)
    section = asked(client, mailbox, **{f"access-member-{ours.admin.id}": "read"})
    assert f"1 person may only read : {ours.admin.name}" in changes_in(section)
    assert granted(inside, ours) == before


def test_whoever_keeps_access_through_something_else_loses_nothing(inside, ours, client, mailbox, sales):
    hold(inside, ours, sales, ours.admin)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=sales.id, level="reply"))
        db.session.commit()
    section = asked(client, mailbox, remove=f"member-{ours.admin.id}")
    assert "Nobody gains or loses anything" in changes_in(section)


def test_without_scripts_the_page_comes_back_with_everything_typed(inside, ours, client, mailbox, sales):
    url = url_of(mailbox)
    page = send(client, url, label="Typed label", add=f"role-{sales.id}")
    assert "Typed label" in page
    shown = BeautifulSoup(page, "html.parser")
    assert shown.select_one(f"select#access-role-{sales.id}") is not None
    assert granted(inside, ours) == {(ours.admin.id, "reply")}
    page = send(client, url, find="Sal", save="enter")
    assert f"role-{sales.id}" in found(BeautifulSoup(page, "html.parser"))
    data = {**form_values(page, url), f"access-role-{sales.id}": "read", "save": "save", "find": ""}
    assert client.post(url, data=data).status_code == 302
    assert granted(inside, ours) == {(ours.admin.id, "reply"), (sales.id, "read")}


def test_before_the_first_save_it_says_who_will_see_it(ours, client):
    page = read(client, NEW)
    words = words_of(page)
    assert "Only the people named under Access management will see it" in words
    assert f"1 person gains access : {ours.admin.name} (granted personally)" in words
    data = {**form_values(page, NEW), "add": f"member-{ours.member.id}"}
    part = client.post(f"{NEW}/access", data=data).text
    criticise(part, "access")
    assert "2 people gain access" in " ".join(BeautifulSoup(part, "html.parser").get_text(" ").split())


@pytest.mark.parametrize("key", ["member", "role"])
def test_nothing_of_a_neighbour_is_added_or_named(inside, ours, theirs, client, mailbox, key):
    id = theirs.member.id if key == "member" else member_role(inside, theirs).id
    section = asked(client, mailbox, add=f"{key}-{id}")
    assert theirs.canary not in section.get_text()
    assert section.select_one(f"#access-{key}-{id}") is None
    data = {**form_values(read(client, url_of(mailbox)), url_of(mailbox)), f"access-{key}-{id}": "read"}
    answer = client.post(url_of(mailbox), data=data)
    assert answer.status_code == 422
    assert "Choose roles and people of this organization" in answer.text


def test_what_is_no_role_and_no_person_does_no_harm(client, mailbox):
    for nonsense in ("role-x", "member-", "x", "role-" + "f" * 36, "\x00"):
        asked(client, mailbox, add=nonsense, remove=nonsense, find=nonsense)


def test_a_mailbox_says_why_somebody_sees_it_and_why_somebody_does_not(inside, ours, client, mailbox, sales):
    hold(inside, ours, sales, make_member(ours.id, "Selma Seller", role=None))
    make_member(ours.id, "Nora Nobody", role=None)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=sales.id))
        db.session.commit()
    url = url_of(mailbox, "/people")
    everybody = words_of(read(client, url))
    assert "Selma Seller" in everybody
    assert "through role Sales" in everybody
    assert "Nora" not in everybody
    assert "Neither this person nor a role of theirs" in words_of(read(client, f"{url}?person=nora"))
    assert "Nobody is called that" in words_of(read(client, f"{url}?person=nonsense"))


def test_a_conversation_says_why_it_is_seen_and_to_managers_who_else_sees_it(app, ours, theirs, client):
    mailbox = make_mailbox(ours, label="Help")
    url = f"/mail/conversations/{make_message(ours, mailbox).thread_id}/access"
    as_member = words_of(read(sign_in(app, ours.member), url))
    assert "which you may read and reply from: granted personally" in as_member
    assert ours.admin.name not in as_member
    assert ours.member.name in words_of(read(client, url))
    read(sign_in(app, theirs.admin), url, expect=404)


def test_lists_and_explanations_ask_the_same_grants(inside, ours, theirs, mailbox, sales):
    """Whoever is said to see it can read it, and nobody else, whatever the grants are."""
    hold(inside, ours, sales, ours.member, make_member(ours.id, "Selma", role=None))
    make_member(ours.id, "Nora", role=None)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=sales.id))
        db.session.commit()
        said = {member.id for member in db.session.scalars(members_with_access(mailbox))}
        everybody = db.session.scalars(select(Membership)).all()
        reading = {one.id for one in everybody if db.session.scalars(readable_mailboxes(one)).all()}
        reached = set(db.session.scalars(select(grants_in_effect().c.membership_id)))
        assert said == reading == reached
        assert len(said) == 3


def test_a_change_names_the_first_people_and_counts_all(inside, ours, mailbox, sales):
    members = [make_member(ours.id, f"Person {number:02}", role=None) for number in range(12)]
    hold(inside, ours, sales, *members)
    with inside(ours):
        kept = Grant("reply", membership_id=ours.admin.id)
        (change,) = access_changes(mailbox, [kept, Grant("read", role_id=sales.id)])
    assert (change.kind, change.count, len(change.people)) == ("gains", 12, 10)
    assert change.people[0].member.name == "Person 00"
