"""Users, as system administrators see them: paged, changed, ended; the last ones stay."""

import threading

import pytest
from sqlalchemy import event, select

from mailboxes.notices import send_due_notices
from tenants.audit import Actor, SystemAuditEntry
from tenants.database import INSTALLATION, db
from tenants.errors import ConflictError
from tenants.installation import users as domain
from tenants.organizations import Membership
from tenants.permissions import ADMINISTRATOR
from tenants.users import User, user_by_address
from tests.factories import PASSWORD, csrf_token, make_member, make_user, sign_in_by_form
from tests.mailboxes.system_smtp import letters, path_in, send_notices_to
from tests.queries import counted_queries
from tests.webapp.reading import read, send, words_of

LIST = "/system/users/"


@pytest.fixture
def sam(app):
    return make_user(name="Sam System", is_system_admin=True)


@pytest.fixture
def client(app, sam):
    return sign_in_by_form(app, sam)


def page_of(user):
    return f"{LIST}{user.id}"


def acts():
    return list(db.session.scalars(select(SystemAuditEntry.act).order_by(SystemAuditEntry.id)))


def test_the_list_is_paged_searched_sorted_and_narrowed(app, client):
    for number in range(60):
        make_user(name=f"Person {number:02}", address=f"p{number:02}@many.test")
    first = read(client, LIST)
    assert "Person 00" in first
    assert "Person 59" not in first
    from bs4 import BeautifulSoup

    older = BeautifulSoup(first, "html.parser").select_one('a[rel="next"]')["href"]
    assert "Person 59" in read(client, older)
    assert "Person 59" in read(client, f"{LIST}?sort=-name")
    found = words_of(read(client, f"{LIST}?q=p17@many"))
    assert "Person 17" in found
    assert "Person 18" not in found
    assert "Person 00" not in read(client, f"{LIST}?state=administrator")
    assert "Nobody matches" in read(client, f"{LIST}?q=nothing-like-it")


def test_the_list_asks_as_many_questions_for_fifty_as_for_one(app, client):
    def count():
        seen = []
        listen = lambda *_: seen.append(1)  # noqa: E731
        engines = list(db.engines.values())
        for engine in engines:
            event.listen(engine, "after_cursor_execute", listen)
        read(client, LIST)
        for engine in engines:
            event.remove(engine, "after_cursor_execute", listen)
        return len(seen)

    few = count()
    for number in range(40):
        make_user(name=f"Person {number}")
    assert count() == few


def test_the_page_says_where_a_user_belongs_and_nothing_of_others(app, client, ours, theirs):
    page = words_of(read(client, page_of(ours.admin.user)))
    assert "Acme" in page
    assert "Administrator" in page
    assert "Neighbour" not in page


def test_a_new_user_chooses_a_password_with_the_letter(app, client, smtp_sink, certificates):
    send_notices_to(app, smtp_sink, certificates)
    send(client, f"{LIST}new", name="Nora New", address="Nora@New.test")
    send_due_notices(INSTALLATION)
    recipient, subject, text = letters(smtp_sink)[0]
    assert (recipient, subject) == ("nora@new.test", "Choose your password")
    send(app.test_client(), path_in(text), password=PASSWORD, again=PASSWORD)
    sign_in_by_form(app, user_by_address("nora@new.test"))
    assert acts() == ["user.created", "user.password_link_made", "user.password_chosen"]


def test_without_a_server_the_link_is_shown_once(app, client):
    page = send(client, f"{LIST}new", name="Nora New", address="nora@new.test")
    path = path_in(page.partition("<code>")[2].partition("<")[0])
    send(app.test_client(), path, password=PASSWORD, again=PASSWORD)
    sign_in_by_form(app, user_by_address("nora@new.test"))


def test_an_address_that_is_taken_is_refused_at_its_field(app, client, ours):
    page = send(client, f"{LIST}new", expect=422, name="X", address=ours.member.user.address.upper())
    assert "There is a user" in page
    assert 'value="X"' in page
    other = make_user()
    assert "There is a user" in send(client, page_of(other), expect=422, address=ours.member.user.address)


def test_another_address_ends_the_links_to_the_former_one(app, client):
    user = make_user(name="Old")
    page = send(client, f"{page_of(user)}/password-link", at=page_of(user), by="hand")
    path = path_in(page.partition("<code>")[2].partition("<")[0])
    send(client, page_of(user), name="New", address="new@address.test")
    read(app.test_client(), path, 404)
    assert user_by_address("new@address.test").name == "New"


def test_a_disabled_user_is_out_at_once_and_may_come_back(app, client, ours):
    theirs = sign_in_by_form(app, ours.member)
    send(client, f"{page_of(ours.member.user)}/enable", at=page_of(ours.member.user), enabled="0")
    assert "/sign-in" in theirs.get("/security/").location
    send(client, f"{page_of(ours.member.user)}/enable", at=page_of(ours.member.user), enabled="1")
    sign_in_by_form(app, ours.member)
    assert acts() == ["user.disabled", "user.enabled"]


def test_signing_out_everywhere_leaves_the_second_factor_alone(app, client, ours, time_machine_clock):
    from tenants.users.second_factor import has_second_factor
    from tests.webapp.test_people import with_second_factor

    with_second_factor(app, ours.member)
    page = page_of(ours.member.user)
    send(client, f"{page}/sign-out", at=page)
    assert has_second_factor(ours.member.user)
    send(client, f"{page}/forget-second-factor", at=page)
    db.session.expire_all()
    assert not has_second_factor(ours.member.user)


def test_an_administrator_of_the_system_is_made_and_unmade(app, client, ours):
    page = page_of(ours.member.user)
    send(client, f"{page}/system-administrator", at=page, admin="1")
    promoted = sign_in_by_form(app, ours.member)
    assert promoted.get(LIST).status_code == 200
    send(client, f"{page}/system-administrator", at=page, admin="0")
    assert promoted.get(LIST).status_code in (302, 403)


def test_nobody_locks_themselves_out_of_the_system(app, client, sam):
    for button, value in (("system-administrator", {"admin": "0"}), ("enable", {"enabled": "0"})):
        page = send(client, f"{page_of(sam)}/{button}", at=page_of(sam), **value)
        assert domain.LOCKED_OUT in words_of(page)
    db.session.expire_all()
    assert db.session.get(User, sam.id).is_system_admin
    assert db.session.get(User, sam.id).is_enabled


def test_two_administrators_of_the_system_who_take_it_from_each_other_leave_one(app, sam):
    eve = make_user(name="Eve", is_system_admin=True)
    barrier, refused = threading.Barrier(2), []

    def take(actor, target):
        with app.app_context():
            user = db.session.get(User, target.id)
            barrier.wait(10)
            try:
                domain.make_system_admin(user, False, actor=Actor("x", actor.id))
                db.session.commit()
            except ConflictError as error:
                db.session.rollback()
                refused.append(error)

    threads = [threading.Thread(target=take, args=pair) for pair in ((sam, eve), (eve, sam))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    db.session.expire_all()
    assert len(db.session.scalars(select(User).where(User.is_system_admin)).all()) == 1


def test_the_only_administrator_of_an_organization_is_not_disabled(app, client, ours, theirs):
    page = page_of(ours.admin.user)
    words = send(client, f"{page}/enable", at=page, enabled="0")
    assert "is the only administrator of Acme" in words
    make_member(ours.id, "Second", role=ADMINISTRATOR)
    send(client, f"{page}/enable", at=page, enabled="0")


def test_many_are_changed_at_once_and_each_refusal_is_told(app, client, ours, theirs):
    chosen = [str(member.user_id) for member in (ours.admin, ours.member, theirs.member)]
    page = send(client, f"{LIST}change-many", at=LIST, selected=chosen, act="disable")
    assert "2 people changed." in words_of(page)
    assert "is the only administrator of Acme" in words_of(page)
    states = {user.id: user.is_enabled for user in db.session.scalars(select(User))}
    assert [states[member.user_id] for member in (ours.admin, ours.member, theirs.member)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("act", ["enable", "disable", "sign_out"])
def test_the_statements_are_as_many_for_one_user_as_for_many(app, client, ours, theirs, act):
    counts = []
    token = csrf_token(client.get(LIST).text)
    for number in (1, 1, 9):
        people = [make_member(ours.id, f"{act} {number} {place}").user for place in range(number)]
        for user in db.session.scalars(select(User).where(User.id.in_([one.id for one in people]))):
            user.is_enabled = act != "enable"
        db.session.commit()
        data = {"csrf_token": token, "selected": [str(one.id) for one in people], "act": act}
        with counted_queries(app) as statements:
            assert client.post(f"{LIST}change-many", data=data).status_code == 302
        counts.append(len(statements))
        db.session.expire_all()
        found = db.session.scalars(select(User.is_enabled).where(User.id.in_([one.id for one in people])))
        assert set(found) == {act != "disable"}
    assert counts[1] == counts[2]


def test_two_who_administer_together_are_not_disabled_together(app, client, ours, theirs):
    second = make_member(ours.id, "Second", role=ADMINISTRATOR)
    chosen = [str(member.user_id) for member in (ours.admin, second)]
    page = send(client, f"{LIST}change-many", at=LIST, selected=chosen, act="disable")
    assert "is the only administrator of Acme" in words_of(page)
    ids = [ours.admin.user_id, second.user_id]
    states = db.session.scalars(select(User.is_enabled).where(User.id.in_(ids))).all()
    assert sorted(states) == [False, True]


def test_nobody_but_system_administrators_comes_here(app, ours):
    client = sign_in_by_form(app, ours.admin)
    for path in (LIST, f"{LIST}new", page_of(ours.member.user)):
        assert client.get(path).status_code == 403


def test_a_membership_goes_with_its_user_untouched_by_a_rename(app, client, inside, ours):
    send(client, page_of(ours.member.user), name="Renamed", address="renamed@acme.test")
    with inside(ours):
        member = db.session.scalars(select(Membership).where(Membership.id == ours.member.id)).one()
        assert member.name == "Renamed"
