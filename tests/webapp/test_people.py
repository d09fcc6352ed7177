"""People, roles, invitations, the second factor: who may become what."""

import pyotp
import pytest
import segno
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.system_mailboxes import MailboxGrant
from tenants import people
from tenants.configuration.layers import override
from tenants.database import db
from tenants.organizations import Membership, organizations_of
from tenants.permissions import ADMINISTRATOR, Role, grant_role, permissions_of
from tenants.users import sessions_of, user_by_address
from tenants.users.attempts import ATTEMPTS_PER_ACCOUNT
from tenants.users.second_factor import has_second_factor
from tests.factories import PASSWORD, csrf_token, make_mailbox, make_member, sign_in_by_form
from tests.webapp.reading import errors_of, read
from webapp.people.security import JUST_NOW

INVITE = "/configuration/people/invite"


def post(client, url, form_page=None, **fields):
    token = csrf_token(client.get(form_page or url).text)
    return client.post(url, data={"csrf_token": token, **fields})


def invitation_link(app, inside, organization, address, key=ADMINISTRATOR):
    client = sign_in_by_form(app, organization.admin)
    with inside(organization):
        role_id = str(db.session.scalar(select(Role.id).where(Role.system_key == key)))
    page = post(client, INVITE, address=address, roles=[role_id]).text
    start = page.index("/invitations/")
    return page[start : start + 120].split('"')[0].split("<")[0]


def test_an_invited_person_joins_with_the_link_once(app, inside, ours, theirs):
    link = invitation_link(app, inside, ours, "new@person.test", "member")
    visitor = app.test_client()
    answer = post(visitor, link, name="New Person", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 302
    assert [o.name for o in organizations_of(user_by_address("new@person.test"))] == ["Acme"]
    again = app.test_client().get(link)
    assert again.status_code == 404
    assert "has been used" in again.text


def test_an_invitation_answers_alike_whether_the_person_is_known(app, inside, ours, theirs):
    client = sign_in_by_form(app, ours.admin)
    known = post(client, INVITE, address=theirs.member.user.address).text
    unknown = post(client, INVITE, address="nobody@knows.test").text
    assert known.count("works once") == unknown.count("works once") == 1
    assert theirs.canary not in known.replace(theirs.member.user.address, "")


def test_a_known_person_must_be_signed_in_as_the_one_invited(app, inside, ours, theirs):
    link = invitation_link(app, inside, ours, theirs.member.user.address, "member")
    assert "Sign in to join" in app.test_client().get(link).text
    stranger = sign_in_by_form(app, theirs.admin)
    assert post(stranger, link).status_code == 404
    invited = sign_in_by_form(app, theirs.member)
    assert post(invited, link).status_code == 302
    assert len(organizations_of(theirs.member.user)) == 2


def test_a_link_of_one_organization_does_not_open_another(app, inside, ours, theirs):
    link = invitation_link(app, inside, ours, "new@person.test")
    assert app.test_client().get(link.replace(str(ours.id), str(theirs.id))).status_code == 404


def test_nobody_gives_a_role_that_permits_more_than_they_may(app, inside, ours):
    with inside(ours):
        role = Role(name="People", permissions=["user.manage"])
        db.session.add(role)
        db.session.commit()
        admin_role = str(db.session.scalar(select(Role.id).where(Role.system_key == ADMINISTRATOR)))
    manager = make_member(ours.id, "Manager", role=None)
    with inside(ours):
        grant_role(db.session.get_one(Membership, (ours.id, manager.id)), role.id)
        db.session.commit()
    client = sign_in_by_form(app, manager)
    page = f"/configuration/people/{manager.id}"
    answer = post(client, page, roles=[admin_role])
    assert answer.status_code == 422
    assert "You cannot give or take the role Administrator" in answer.text
    answer = post(client, "/configuration/roles/new", name="Mighty", permissions=["audit.view"])
    assert answer.status_code == 422
    with inside(ours):
        member = db.session.get_one(Membership, (ours.id, manager.id))
        assert permissions_of(member) == {"user.manage"}


def test_who_may_not_grant_mailboxes_gives_no_role_that_opens_one(app, inside, ours):
    mailbox = make_mailbox(ours, readers=[])
    with inside(ours):
        roles = Role(name="People", permissions=["user.manage"]), Role(name="Letters", permissions=[])
        db.session.add_all(roles)
        db.session.flush()
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, role_id=roles[1].id, level="read"))
        db.session.commit()
    manager = make_member(ours.id, "Manager", role=None)
    with inside(ours):
        grant_role(db.session.get_one(Membership, (ours.id, manager.id)), roles[0].id)
        db.session.commit()
    wanted = [str(role.id) for role in roles]
    answer = post(sign_in_by_form(app, manager), f"/configuration/people/{manager.id}", roles=wanted)
    assert answer.status_code == 422
    assert "the role Letters: it opens mailboxes" in answer.text
    answer = post(sign_in_by_form(app, ours.admin), f"/configuration/people/{manager.id}", roles=wanted)
    assert answer.status_code == 302


def test_nobody_enables_or_disables_a_member_who_may_do_more_than_they(app, inside, ours):
    people = "/configuration/people/"
    post(
        sign_in_by_form(app, ours.admin),
        "/configuration/roles/new",
        name="People",
        permissions=["user.manage"],
    )
    manager = make_member(ours.id, "Manager", role=None)
    with inside(ours):
        role = db.session.scalars(select(Role).where(Role.name == "People")).one()
        grant_role(db.session.get_one(Membership, (ours.id, manager.id)), role.id)
        db.session.commit()
    client = sign_in_by_form(app, manager)
    answer = post(client, f"{people}{ours.admin.id}/enable", people, enabled="0")
    assert answer.status_code == 403
    assert [o.name for o in organizations_of(ours.admin.user)] == ["Acme"]
    post(sign_in_by_form(app, ours.admin), f"{people}{ours.member.id}/enable", people, enabled="0")
    assert post(client, f"{people}{ours.member.id}/enable", people, enabled="1").status_code == 403
    assert organizations_of(ours.member.user) == []


def test_a_link_whose_role_was_deleted_still_opens(app, inside, ours, theirs):
    admin = sign_in_by_form(app, ours.admin)
    post(admin, "/configuration/roles/new", name="Sales", permissions=["lead.view"])
    with inside(ours):
        role_id = db.session.scalar(select(Role.id).where(Role.name == "Sales"))
    page = post(admin, INVITE, address="new@person.test", roles=[str(role_id)]).text
    link = "/invitations/" + page.partition("/invitations/")[2].split('"')[0].split("<")[0]
    post(admin, f"/configuration/roles/{role_id}/delete", "/configuration/roles/")
    visitor = app.test_client()
    answer = post(visitor, link, name="New Person", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 302
    with inside(ours):
        user_id = user_by_address("new@person.test").id
        member = db.session.scalars(select(Membership).where(Membership.user_id == user_id)).one()
        assert permissions_of(member) == frozenset()


def test_the_last_who_manages_people_cannot_be_removed(app, inside, ours, theirs):
    client = sign_in_by_form(app, ours.admin)
    answer = post(client, f"/configuration/people/{ours.admin.id}", roles=[])
    assert answer.status_code == 422
    assert "Somebody must stay" in answer.text
    post(client, f"/configuration/people/{ours.admin.id}/enable", "/configuration/people/", enabled="0")
    assert people.LOCKED_OUT in client.get("/configuration/people/").text


def test_disabling_a_member_touches_this_organization_only(app, inside, ours, theirs):
    with inside(theirs):
        db.session.add(Membership(user_id=ours.member.user_id))
        db.session.commit()
    client = sign_in_by_form(app, ours.admin)
    post(client, f"/configuration/people/{ours.member.id}/enable", "/configuration/people/", enabled="0")
    assert [o.name for o in organizations_of(ours.member.user)] == ["Neighbour"]


@pytest.mark.parametrize("path", ["people/", "roles/", "audit-log/", "people/invite"])
def test_pages_about_people_are_for_those_who_manage_them(app, ours, path):
    assert sign_in_by_form(app, ours.member).get(f"/configuration/{path}").status_code == 403
    assert sign_in_by_form(app, ours.admin).get(f"/configuration/{path}").status_code == 200


def code_for(client, page):
    from urllib.parse import parse_qs, urlsplit

    from bs4 import BeautifulSoup

    uri = BeautifulSoup(page, "html.parser").select_one('a[href^="otpauth:"]')["href"]
    return pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])


def with_second_factor(app, member):
    client = sign_in_by_form(app, member)
    page = post(client, "/security/second-factor", step="begin").text
    totp = code_for(client, page)
    assert post(client, "/security/second-factor", code=totp.now()).status_code == 200
    return totp


def test_with_a_second_factor_the_password_alone_opens_nothing(app, ours, time_machine_clock):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = sign_in_by_form(app, ours.member)
    assert "/sign-in" in client.get("/my-configuration/email").location
    assert post(client, "/sign-in/code", code="000000").status_code == 422
    assert post(client, "/sign-in/code", code=totp.now()).status_code == 302
    assert client.get("/my-configuration/email").status_code == 200


def test_an_app_is_set_up_only_by_who_typed_the_password_a_moment_ago(app, ours, theirs, time_machine_clock):
    set_up = "/security/second-factor"
    client = sign_in_by_form(app, ours.member)
    assert "otpauth:" in post(client, set_up, step="begin").text
    time_machine_clock.shift(JUST_NOW.total_seconds() + 1)
    page = client.get(set_up).text
    assert "otpauth:" not in page
    assert "Type your password again" in page
    assert post(client, set_up, step="begin").status_code == 422
    assert post(client, set_up, code="123456").status_code == 422
    wrong = post(client, set_up, current="not the password")
    assert (wrong.status_code, "That is not your password." in errors_of(wrong.text)) == (422, True)
    began = {one.token_hash for one in db.session.scalars(sessions_of(ours.member.user))}
    assert post(client, set_up, current=PASSWORD).location == set_up
    assert not began & {one.token_hash for one in db.session.scalars(sessions_of(ours.member.user))}
    totp = code_for(client, post(client, set_up, step="begin").text)
    assert post(client, set_up, code=totp.now()).status_code == 200
    assert has_second_factor(ours.member.user)


def test_a_key_is_shown_once_and_to_no_session_that_did_not_begin_it(app, ours, theirs):
    set_up = "/security/second-factor"
    here, there = sign_in_by_form(app, ours.member), sign_in_by_form(app, ours.member)
    totp = code_for(here, post(here, set_up, step="begin").text)
    for client in (here, there):
        wrong = post(client, set_up, code="000000")
        assert wrong.status_code == 422
        for page in (client.get(set_up).text, wrong.text):
            assert totp.secret not in page
            assert "otpauth:" not in page
    begun_anew = code_for(there, post(there, set_up, step="begin").text)
    assert post(here, set_up, code=totp.now()).status_code == 422
    assert post(there, set_up, code=begun_anew.now()).status_code == 200


def test_the_key_is_a_picture_for_the_phone_and_a_text_beside_it(app, ours):
    page = read(sign_in_by_form(app, ours.member), "/security/second-factor")
    assert "<svg" not in BeautifulSoup(page, "html.parser").select_one("main form").decode()
    client = sign_in_by_form(app, ours.member)
    page = BeautifulSoup(post(client, "/security/second-factor", step="begin").text, "html.parser")
    uri = page.select_one('a[href^="otpauth:"]')["href"]
    (drawn,) = page.select("[role=img] svg path[stroke]")
    assert drawn["d"] in segno.make(uri, micro=False).svg_inline()
    assert not page.select("[role=img] [style], [role=img] style")
    assert pyotp.parse_uri(uri).secret in page.select_one("main").get_text()


def test_signing_out_everywhere_else_leaves_this_session_as_old_as_it_is(app, ours):
    here, there = sign_in_by_form(app, ours.member), sign_in_by_form(app, ours.member)
    began = {one.created_at for one in db.session.scalars(sessions_of(ours.member.user))}
    cookie = here.get_cookie("postroom").value
    assert post(here, "/security/sign-out-everywhere", "/security/").status_code == 302
    assert here.get("/security/").status_code == 200
    assert "/sign-in" in there.get("/security/").location
    db.session.expire_all()
    (left,) = db.session.scalars(sessions_of(ours.member.user)).all()
    assert here.get_cookie("postroom").value == cookie
    assert left.created_at in began


def test_a_session_with_a_second_factor_lasts_as_long_as_any(app, ours, time_machine_clock):
    override("session.lifetime_hours", "2", "system", by="Sam")
    db.session.commit()
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = sign_in_by_form(app, ours.member)
    post(client, "/sign-in/code", code=totp.now())
    assert client.get("/security/").status_code == 200
    time_machine_clock.shift(3 * 3600)
    assert "/sign-in" in client.get("/security/").location


def test_a_code_works_once(app, ours, time_machine_clock):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    code = totp.now()
    assert post(sign_in_by_form(app, ours.member), "/sign-in/code", code=code).status_code == 302
    assert post(sign_in_by_form(app, ours.member), "/sign-in/code", code=code).status_code == 422


def test_a_second_factor_goes_by_a_code_of_it_and_by_no_new_secret(app, ours, time_machine_clock):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = sign_in_by_form(app, ours.member)
    post(client, "/sign-in/code", code=totp.now())
    security = "/security/"
    assert post(client, "/security/second-factor", security, step="begin").status_code == 409
    wrong = post(client, "/security/second-factor/remove", security, code="000000")
    assert (wrong.status_code, "That code is not right" in errors_of(wrong.text)) == (422, True)
    assert has_second_factor(ours.member.user)
    time_machine_clock.shift(60)
    assert post(client, "/security/second-factor/remove", security, code=totp.now()).status_code == 302
    assert not has_second_factor(ours.member.user)


def test_who_knows_the_password_cannot_try_all_codes(app, ours, time_machine_clock):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        client = sign_in_by_form(app, ours.member)  # the right password, each time
        assert post(client, "/sign-in/code", code="000000").status_code == 422
    answer = post(sign_in_by_form(app, ours.member), "/sign-in/code", code=totp.now())
    assert "Too many attempts" in answer.text


def test_wrong_passwords_in_the_same_network_close_nobodys_second_step(
    app, ours, theirs, monkeypatch, time_machine_clock
):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = sign_in_by_form(app, ours.member)
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_PER_PLACE", 1)
    wrong = {"address": theirs.member.user.address, "password": "wrong wrong wrong"}
    assert post(app.test_client(), "/sign-in", **wrong).status_code == 400
    assert post(app.test_client(), "/sign-in", **wrong).status_code == 429
    assert post(client, "/sign-in/code", code=totp.now()).status_code == 302


def test_codes_to_remove_a_second_factor_cannot_be_tried_out(app, ours, time_machine_clock):
    totp = with_second_factor(app, ours.member)
    time_machine_clock.shift(60)
    client = sign_in_by_form(app, ours.member)
    post(client, "/sign-in/code", code=totp.now())
    time_machine_clock.shift(60)
    remove = "/security/second-factor/remove"
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        post(client, remove, "/security/", code="000000")
    assert post(client, remove, "/security/", code=totp.now()).status_code == 429


def test_where_a_second_factor_is_required_people_set_it_up_first(app, inside, ours):
    with inside(ours):
        override("session.two_factor_required", "true", "organization", by="Ada")
        db.session.commit()
    client = sign_in_by_form(app, ours.member)
    assert client.get("/my-configuration/email").location == "/security/second-factor"


def test_a_session_older_than_allowed_is_over(app, inside, ours, time_machine_clock):
    with inside(ours):
        override("session.lifetime_hours", "2", "organization", by="Ada")
        db.session.commit()
    client = sign_in_by_form(app, ours.member)
    assert client.get("/my-configuration/email").status_code == 200
    time_machine_clock.shift(3 * 3600)
    assert "/sign-in" in client.get("/my-configuration/email").location


def test_a_password_that_may_not_be_chosen_is_refused_at_its_own_field(app, ours):
    client = sign_in_by_form(app, ours.member)
    mine = ours.member.user.address
    answer = post(client, "/security/password", "/security/", current=PASSWORD, password=mine, again=mine)
    page = BeautifulSoup(answer.text, "html.parser")
    assert "not your name or address" in page.select_one("#password-errors").get_text()
    assert page.select_one("#current-errors") is None


def test_a_changed_password_ends_every_other_session(app, ours):
    elsewhere, here = sign_in_by_form(app, ours.member), sign_in_by_form(app, ours.member)
    fields = {"current": PASSWORD, "password": "another long one", "again": "another long one"}
    assert post(here, "/security/password", "/security/", **fields).status_code == 302
    assert here.get("/security/").status_code == 200
    assert elsewhere.get("/security/").status_code == 302
