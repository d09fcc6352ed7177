"""Invitations by mail: alike for everybody, single-use, from our host, and never twice (T18)."""

import re
import threading
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select

from mailboxes.notices import Notice, send_due_notices
from mailboxes.people_letters import MOST_TO_ONE, PAUSE
from tenants.audit import AuditEntry
from tenants.database import db
from tenants.organizations import Membership, MembershipRole, organizations_of
from tenants.people.invitations import LIFETIME, Invitation, accept
from tenants.permissions import ADMINISTRATOR, MEMBER, Role, grant_role
from tenants.users import User, user_by_address
from tenants.users.attempts import ATTEMPTS_PER_ACCOUNT
from tests.factories import PASSWORD, csrf_token, make_member, sign_in
from tests.mailboxes.system_smtp import letters, path_in
from tests.queries import counted_queries
from tests.webapp.reading import read, send, words_of

INVITE = "/configuration/people/invite"
LIST = "/configuration/people/invitations"


def role_id(inside, world, key):
    with inside(world):
        return str(db.session.scalar(select(Role.id).where(Role.system_key == key)))


@pytest.fixture
def invited(app, inside, ours, system_sink):
    """Invite by the page, let the letter leave; the path of its link."""

    def invite(address, key=MEMBER):
        send(sign_in(app, ours.admin), INVITE, address=address, roles=[role_id(inside, ours, key)])
        send_due_notices(ours.id)
        return path_in(letters(system_sink)[-1][2])

    return invite


def join(client, path, expect=200):
    return send(client, path, expect=expect, name="New Person", password=PASSWORD, again=PASSWORD)


def test_an_invited_person_gets_a_letter_and_joins_with_its_link_once(
    app, ours, theirs, invited, system_sink
):
    path = invited("new@person.test")
    assert letters(system_sink)[-1][:2] == ("new@person.test", f"{ours.admin.name} invites you to Acme")
    join(app.test_client(), path)
    assert [one.name for one in organizations_of(user_by_address("new@person.test"))] == ["Acme"]
    assert "has been used" in read(app.test_client(), path, 404)


def test_the_page_and_the_letter_are_alike_whether_the_person_is_known(
    app, theirs, invited, system_sink, ours
):
    client = sign_in(app, ours.admin)
    pages, texts = [], []
    for address in (theirs.member.user.address, "nobody@knows.test"):
        pages.append(send(client, INVITE, address=address).replace(address, "X"))
        send_due_notices(ours.id)
        texts.append(letters(system_sink)[-1][2].rpartition("/")[0])
    assert ("X is on its way" in pages[0]) == ("X is on its way" in pages[1]) is True
    assert texts[0] == texts[1]
    assert theirs.canary not in pages[0]


def test_the_link_names_the_configured_host_whatever_the_request_says(app, inside, ours, system_sink):
    client = sign_in(app, ours.admin)
    token = csrf_token(client.get(INVITE).text)
    for name in ("postroom", "postroom_form"):
        client.set_cookie(name, client.get_cookie(name).value, domain="evil.test")
    client.post(
        INVITE,
        data={"csrf_token": token, "address": "new@person.test"},
        headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"},
    )
    send_due_notices(ours.id)
    text = letters(system_sink)[-1][2]
    assert "evil.test" not in text
    assert app.config["POSTROOM"].base_url in text


def test_a_link_does_not_tell_which_organizations_there_are(app, ours):
    pages = [app.test_client().get(f"/invitations/{id}/{'x' * 43}") for id in (ours.id, uuid4())]
    assert [page.status_code for page in pages] == [404, 404]
    assert words_of(pages[0].text) == words_of(pages[1].text)


def test_only_a_hash_of_the_token_is_stored(app, inside, ours, invited):
    token = invited("new@person.test").rpartition("/")[2]
    with inside(ours):
        stored = db.session.scalars(select(Invitation)).one()
    assert len(token) >= 43
    assert token.encode() not in stored.token_hash


def test_a_name_that_no_database_stores_is_cleaned(app, ours, theirs, invited):
    path = invited("new@person.test")
    send(app.test_client(), path, name="New\0 Person", password=PASSWORD, again=PASSWORD)
    assert user_by_address("new@person.test").name == "New Person"


def test_twenty_uses_at_the_same_moment_make_one_member(app, inside, ours, invited):
    token = invited("new@person.test").rpartition("/")[2]
    barrier, won = threading.Barrier(20), []

    def use():
        with app.app_context(), inside(ours):
            barrier.wait(30)
            try:
                accept(token, None, name="New", password=PASSWORD)
                db.session.commit()
            except Exception:  # noqa: BLE001  # whatever it is, it is not the winner
                db.session.rollback()
            else:
                won.append(1)

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert won == [1]
    with inside(ours):
        user = user_by_address("new@person.test")
        count = select(func.count()).select_from(Membership).where(Membership.user_id == user.id)
        assert db.session.scalar(count) == 1


def test_a_link_ends_after_a_week(app, ours, invited, time_machine_clock):
    path = invited("new@person.test")
    time_machine_clock.shift(LIFETIME.total_seconds() + 60)
    read(app.test_client(), path, 404)


def test_sent_again_the_former_link_opens_nothing(
    app, inside, ours, invited, system_sink, time_machine_clock
):
    former = invited("new@person.test")
    time_machine_clock.shift(PAUSE.total_seconds())
    client = sign_in(app, ours.admin)
    with inside(ours):
        id = db.session.scalar(select(Invitation.id))
    send(client, f"{LIST}/{id}/send-again", at=LIST)
    send_due_notices(ours.id)
    latest = path_in(letters(system_sink)[-1][2])
    assert latest != former
    read(app.test_client(), former, 404)
    join(app.test_client(), latest)


def test_letters_to_one_address_have_a_pause_and_an_end(
    app, inside, ours, invited, system_sink, time_machine_clock
):
    path = invited("new@person.test")
    client = sign_in(app, ours.admin)
    with inside(ours):
        again = f"{LIST}/{db.session.scalar(select(Invitation.id))}/send-again"
    assert "sent an invitation a moment ago. Wait two minutes." in send(client, again, at=LIST)
    assert "a moment ago" in send(client, INVITE, expect=422, address="new@person.test")
    read(app.test_client(), path)  # what was refused has ended nothing
    for _ in range(MOST_TO_ONE):
        time_machine_clock.shift(PAUSE.total_seconds())
        page = send(client, again, at=LIST)
        send_due_notices(ours.id)
    assert f"was sent {MOST_TO_ONE} invitations within a day. Ask the person to look" in page
    assert len(letters(system_sink)) == MOST_TO_ONE
    send(client, f"{again.removesuffix('send-again')}withdraw", at=LIST)
    assert "go on tomorrow" in send(client, INVITE, expect=422, address="new@person.test")
    send(client, INVITE, address="other@person.test")
    time_machine_clock.shift(24 * 60 * 60)
    send(client, INVITE, address="new@person.test")


def test_letters_of_a_day_have_an_end_and_a_neighbours_do_not_count(
    app, ours, theirs, system_sink, monkeypatch
):
    monkeypatch.setattr("mailboxes.people_letters.MOST_A_DAY", 1)
    send(sign_in(app, theirs.admin), INVITE, address="new@person.test")
    client = sign_in(app, ours.admin)
    send(client, INVITE, address="new@person.test")
    page = send(client, INVITE, expect=422, address="other@person.test")
    assert "at most 1 invitations within a day, and 0 are left. Invite the others tomorrow" in page


def test_a_letter_carries_no_message_in_a_name(app, inside, ours, system_sink):
    words = "Your parcel waits at the customs office, pay the fee there today " * 3
    user = db.session.get(User, ours.admin.user_id)
    user.name = words
    db.session.commit()
    send(sign_in(app, ours.admin), INVITE, address="new@person.test")
    send_due_notices(ours.id)
    _, subject, text = letters(system_sink)[-1]
    assert subject == f"{words[:100]} invites you to Acme"
    assert words[:101] not in text


def test_withdrawn_its_link_opens_nothing_and_a_waiting_letter_stays(app, inside, ours, theirs, system_sink):
    client = sign_in(app, ours.admin)
    send(client, INVITE, address="new@person.test")
    with inside(ours):
        id = db.session.scalar(select(Invitation.id))
    page = send(client, f"{LIST}/{id}/withdraw", at=LIST)
    assert "No invitation is open" in page
    send_due_notices(ours.id)
    assert system_sink.messages == []
    with inside(ours):
        assert db.session.scalar(select(Notice.state)) == "cancelled"


def test_the_list_says_what_became_of_each_letter(app, ours, inside, system_sink):
    client = sign_in(app, ours.admin)
    send(client, INVITE, address="new@person.test")
    assert "On its way" in words_of(read(client, LIST))
    system_sink.fail("RCPT", "550 5.1.1 No such user")
    send_due_notices(ours.id)
    assert "Not sent: 5.1.1 No such user" in words_of(read(client, LIST))


def test_a_member_is_not_invited_again_and_the_page_says_what_to_do(app, ours, theirs, inside):
    client = sign_in(app, ours.admin)
    page = send(client, INVITE, expect=422, address=ours.member.user.address.upper())
    assert "is a member already. Change their roles instead." in page
    with inside(ours):
        db.session.get(Membership, (ours.id, ours.member.id)).is_enabled = False
        db.session.commit()
    page = send(client, INVITE, expect=422, address=ours.member.user.address)
    assert "Enable them instead." in page


def test_the_page_of_the_link_is_alike_whether_the_person_is_known(app, inside, ours, theirs):
    known, unknown = theirs.member.user.address, "nobody@knows.test"
    pages, counts = {}, {}
    for address in (known, unknown):
        page = send(sign_in(app, ours.admin), INVITE, address=address)
        path = path_in(words_of(page))
        with counted_queries(app) as statements:
            shown = read(app.test_client(), path)
        pages[address] = alike(shown, address, path)
        counts[address] = len(statements)
        for password in ("short", address, "A long name"):
            typed = {"name": "A  long name", "password": password, "again": password}
            refused = send(app.test_client(), path, expect=422, **typed)
            pages[address] += alike(refused, address, path)
    assert pages[known] == pages[unknown]
    assert counts[known] == counts[unknown]
    assert "Sign in to join" in pages[known]
    assert pages[known].count("Choose a password that is not your name or address.") == 2


def test_every_refused_attempt_to_join_counts(app, ours, theirs, invited):
    path = invited("new@person.test")
    visitor = app.test_client()
    typed = {"name": "New", "password": "new@person.test", "again": "new@person.test"}
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        assert "not your name or address" in send(visitor, path, expect=422, **typed)
    assert "not your name or address" not in send(visitor, path, expect=422, **typed)
    join(visitor, path, expect=422)
    assert user_by_address("new@person.test") is None


def alike(page, address, path):
    """A page without what belongs to the invitation or to the request."""
    for own in (address, path, quote(path, safe="")):
        page = page.replace(own, "X")
    return re.sub(r'(nonce="|csrf.token"[^>]* (value|content)=")[^"]*', "", page)


def test_a_known_person_is_told_to_sign_in_and_many_attempts_are_stopped(app, ours, theirs, invited):
    address = theirs.member.user.address
    path = invited(address)
    visitor = app.test_client()
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        page = join(visitor, path, expect=422)
        assert "sign in first" in page
    assert "sign in first" not in join(visitor, path, expect=422)
    assert len(organizations_of(theirs.member.user)) == 1
    send(sign_in(app, theirs.member), path)
    assert {one.name for one in organizations_of(theirs.member.user)} == {ours.name, theirs.name}


def test_somebody_else_who_opens_the_link_is_told_whose_it_is(app, ours, theirs, invited):
    path = invited(theirs.member.user.address)
    page = words_of(read(sign_in(app, theirs.admin), path))
    assert "Sign out, then open the link again" in page
    assert len(organizations_of(theirs.admin.user)) == 1
    assert len(organizations_of(theirs.member.user)) == 1


def test_a_member_disabled_meanwhile_does_not_come_back_by_a_link(app, ours, theirs, inside, invited):
    path = invited(theirs.member.user.address)
    with inside(ours):
        db.session.add(Membership(user_id=theirs.member.user_id, is_enabled=False))
        db.session.commit()
    page = send(sign_in(app, theirs.member), path, expect=422)
    assert "You have been disabled here" in page


def test_whoever_lacks_a_permission_neither_invites_with_it_nor_sends_it_again(
    app, inside, ours, system_sink
):
    send(
        sign_in(app, ours.admin),
        INVITE,
        address="boss@person.test",
        roles=[role_id(inside, ours, ADMINISTRATOR)],
    )
    manager = make_member(ours.id, "Manager", role=None)
    with inside(ours):
        from tenants.permissions import grant_role

        role = Role(name="People", permissions=["user.manage"])
        db.session.add(role)
        db.session.flush()
        grant_role(db.session.get_one(Membership, (ours.id, manager.id)), role.id)
        id = db.session.scalar(select(Invitation.id))
        db.session.commit()
    client = sign_in(app, manager)
    page = send(
        client, INVITE, expect=422, address="x@person.test", roles=[role_id(inside, ours, ADMINISTRATOR)]
    )
    assert "You cannot give or take the role Administrator" in page
    send(client, f"{LIST}/{id}/send-again", at=LIST, expect=403)


def test_every_step_is_on_record_with_its_place(app, inside, ours, invited):
    join(app.test_client(), invited("new@person.test"))
    with inside(ours):
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.act for entry in entries] == ["member.invited", "member.joined"]
    assert {entry.place for entry in entries} == {"127.0.0.1"}
    assert entries[0].after == {"roles": ["Member"]}


def test_a_new_person_is_signed_in_and_an_organization_that_is_closed_opens_to_nobody(
    app, ours, invited, inside
):
    from tenants.organizations import Organization

    path = invited("new@person.test")
    db.session.get(Organization, ours.id).is_enabled = False
    db.session.commit()
    read(app.test_client(), path, 404)
    db.session.get(Organization, ours.id).is_enabled = True
    db.session.commit()
    visitor = app.test_client()
    join(visitor, path)
    assert visitor.get("/security/").status_code == 200
    assert db.session.scalar(select(func.count()).select_from(User)) == 3


def test_a_week_is_what_the_page_of_a_handed_over_link_says():
    assert timedelta(days=7) == LIFETIME


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda member: setattr(member, "is_enabled", False), "may no longer invite people here"),
        (lambda member: setattr(member.user, "is_enabled", False), "may no longer invite people here"),
        (lambda member: _holds_only(member, ["user.manage"]), "may no longer give the role Member"),
    ],
)
def test_an_invitation_ends_with_the_right_of_its_inviter(
    app, inside, ours, theirs, invited, change, sentence
):
    path = invited("new@person.test")
    with inside(ours):
        change(db.session.get(Membership, (ours.id, ours.admin.id)))
        db.session.commit()
    assert sentence in read(app.test_client(), path, 403)
    assert user_by_address("new@person.test") is None


def test_sent_again_by_another_it_is_theirs(
    app, inside, ours, theirs, invited, system_sink, time_machine_clock
):
    path = invited("new@person.test")
    time_machine_clock.shift(PAUSE.total_seconds())
    other = make_member(ours.id, "Olga Other", role=ADMINISTRATOR)
    with inside(ours):
        id = db.session.scalar(select(Invitation.id))
        db.session.get(Membership, (ours.id, ours.admin.id)).is_enabled = False
        db.session.commit()
    assert "may no longer invite" in read(app.test_client(), path, 403)
    send(sign_in(app, other), f"{LIST}/{id}/send-again", at=LIST)
    send_due_notices(ours.id)
    join(app.test_client(), path_in(letters(system_sink)[-1][2]))
    assert user_by_address("new@person.test") is not None


def _holds_only(member, permissions):
    role = Role(name="Narrow", permissions=permissions)
    db.session.add(role)
    db.session.execute(delete(MembershipRole).where(MembershipRole.membership_id == member.id))
    db.session.flush()
    grant_role(member, role.id)
