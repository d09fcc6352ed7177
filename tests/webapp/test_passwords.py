"""A forgotten password: alike for everybody, once, for half an hour, and every session ends (T18)."""

import threading

import pytest
from sqlalchemy import select

from mailboxes.notices import send_due_notices
from tenants.audit import SystemAuditEntry
from tenants.database import INSTALLATION, db
from tenants.errors import NotFoundError
from tenants.users import User, authenticate, password_links
from tenants.users.attempts import ATTEMPTS_PER_ACCOUNT
from tenants.users.password_links import MOST_OPEN, PasswordLink
from tests.factories import PASSWORD, sign_in_by_form
from tests.mailboxes.system_smtp import letters, path_in, send_notices_to
from tests.webapp.reading import read, send, words_of
from workers import queues
from workers.notices import send_notices
from workers.schedule import ring_for_due_notices

FORGOTTEN = "/forgot-password"
NEW = "a quite different one"


@pytest.fixture
def server(app, smtp_sink, certificates, monkeypatch):
    monkeypatch.setattr("workers.runtime._app_of", lambda process_id: app)
    send_notices_to(app, smtp_sink, certificates)
    return smtp_sink


@pytest.fixture
def asked(app, server):
    """Ask at the door, let the worker do its part; the path of the link."""

    def ask(address):
        send(app.test_client(), FORGOTTEN, address=address)
        send_notices(str(INSTALLATION))
        return path_in(letters(server)[-1][2])

    return ask


def choose(client, path, expect=200, password=NEW):
    return send(client, path, expect=expect, password=password, again=password)


def test_with_the_link_a_person_chooses_a_password_once(app, ours, theirs, asked, server):
    path = asked(ours.member.user.address)
    assert letters(server)[0][:2] == (ours.member.user.address, "A new password")
    assert "Sign in with it now" in choose(app.test_client(), path)
    assert authenticate(ours.member.user.address, NEW, "here").id == ours.member.user_id
    assert "used or is too old" in read(app.test_client(), path, 404)
    send_due_notices(INSTALLATION)
    assert letters(server)[-1][:2] == (ours.member.user.address, "Your password was changed")


def test_the_answer_is_alike_for_known_unknown_and_disabled_people(app, ours, theirs, server):
    db.session.get(User, theirs.member.user_id).is_enabled = False
    db.session.commit()
    addresses = (ours.member.user.address, "nobody@nowhere.test", theirs.member.user.address)
    pages = [
        words_of(send(app.test_client(), FORGOTTEN, address=address)).replace(address, "X")
        for address in addresses
    ]
    assert len(set(pages)) == 1
    rows = db.session.scalars(select(PasswordLink)).all()
    assert {(row.user_id, row.token_hash, row.used_at) for row in rows} == {(None, None, None)}
    send_notices(str(INSTALLATION))
    assert [recipient for recipient, *_ in letters(server)] == [ours.member.user.address]
    assert len(db.session.scalars(select(PasswordLink)).all()) == 1  # nothing is kept about the others


def test_a_new_password_opens_the_door_while_strangers_guess(app, ours, asked, monkeypatch):
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_BY_STRANGERS", 1)
    guess = {"address": ours.member.user.address, "password": "wrong wrong wrong"}
    send(app.test_client(), "/sign-in", expect=400, **guess)
    typed = guess | {"password": NEW}
    client = app.test_client()
    choose(client, asked(ours.member.user.address))
    send(app.test_client(), "/sign-in", expect=429, **typed)
    send(client, "/sign-in", **typed)


def test_every_session_and_every_other_link_ends(app, ours, asked):
    somewhere = sign_in_by_form(app, ours.member)
    first, second = asked(ours.member.user.address), asked(ours.member.user.address)
    choose(app.test_client(), second)
    assert "/sign-in" in somewhere.get("/security/").location
    read(app.test_client(), first, 404)


def test_a_password_that_was_changed_elsewhere_ends_the_links_that_were_sent(app, ours, asked):
    path = asked(ours.member.user.address)
    signed_in = sign_in_by_form(app, ours.member)
    send(signed_in, "/security/password", at="/security/", current=PASSWORD, password=NEW, again=NEW)
    read(app.test_client(), path, 404)


def test_whose_password_was_changed_in_the_browser_is_told_by_mail_and_it_is_on_record(
    app, ours, theirs, server
):
    client = sign_in_by_form(app, ours.member)
    typed = {"current": "not the password", "password": NEW, "again": NEW}
    send(client, "/security/password", expect=422, at="/security/", **typed)
    send_due_notices(INSTALLATION)
    assert letters(server) == []
    send(client, "/security/password", at="/security/", **typed | {"current": PASSWORD})
    send_due_notices(INSTALLATION)
    assert letters(server)[-1][:2] == (ours.member.user.address, "Your password was changed")
    entry = db.session.scalars(select(SystemAuditEntry)).one()
    assert (entry.act, entry.actor_id) == ("user.password_chosen", ours.member.user_id)


def test_twenty_uses_at_the_same_moment_set_one_password(app, ours, asked):
    token = asked(ours.member.user.address).rpartition("/")[2]
    barrier, won = threading.Barrier(20), []

    def use(number):
        with app.app_context():
            barrier.wait(30)
            try:
                password_links.use(token, f"password number {number}", "here")
                db.session.commit()
            except NotFoundError:
                db.session.rollback()
            else:
                won.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert authenticate(ours.member.user.address, f"password number {won[0]}", "here")


def test_a_link_ends_after_half_an_hour(app, ours, asked, time_machine_clock):
    path = asked(ours.member.user.address)
    time_machine_clock.shift(31 * 60)
    read(app.test_client(), path, 404)


def test_a_link_names_the_configured_host_and_its_hash_alone_is_stored(app, ours, asked, server):
    token = asked(ours.member.user.address).rpartition("/")[2]
    assert app.config["POSTROOM"].base_url in letters(server)[0][2]
    stored = db.session.scalars(select(PasswordLink.token_hash)).one()
    assert token.encode() not in stored


def test_a_disabled_person_cannot_use_a_link_that_was_sent_before(app, ours, asked):
    path = asked(ours.member.user.address)
    db.session.get(User, ours.member.user_id).is_enabled = False
    db.session.commit()
    read(app.test_client(), path, 404)


def test_the_second_factor_is_still_asked_for(app, ours, asked, time_machine_clock):
    from tests.webapp.test_people import with_second_factor

    with_second_factor(app, ours.member)
    choose(app.test_client(), asked(ours.member.user.address))
    client = app.test_client()
    page = send(client, "/sign-in", address=ours.member.user.address, password=NEW)
    assert "Your code" in page


def test_a_mailbox_is_not_filled_with_links(app, ours, server):
    for _ in range(MOST_OPEN + 2):
        send(app.test_client(), FORGOTTEN, address=ours.member.user.address)
    send_notices(str(INSTALLATION))
    assert len(letters(server)) == MOST_OPEN


def test_who_asks_too_often_is_refused_whether_the_address_is_known_or_not(app, ours, server):
    for address in (ours.member.user.address, "nobody@nowhere.test"):
        for _ in range(ATTEMPTS_PER_ACCOUNT):
            send(app.test_client(), FORGOTTEN, address=address)
        assert "Too many attempts" in send(app.test_client(), FORGOTTEN, expect=422, address=address)


def test_who_asks_too_often_is_refused_however_the_domain_is_written(app, ours, theirs, server):
    local, _, domain = ours.member.user.address.partition("@")
    for place in range(ATTEMPTS_PER_ACCOUNT):
        wide = "".join(chr(ord(one) + 0xFEE0) for one in domain[:place])
        send(app.test_client(), FORGOTTEN, address=f"{local}@{wide}{domain[place:]}")
    page = send(app.test_client(), FORGOTTEN, expect=422, address=ours.member.user.address)
    assert "Too many attempts" in page
    send(app.test_client(), FORGOTTEN, address=theirs.member.user.address)


def test_a_new_password_ends_the_wait_of_who_typed_the_old_one_too_often(app, ours, asked):
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        send(app.test_client(), "/sign-in", expect=400, address=ours.member.user.address, password="wrong")
    choose(app.test_client(), asked(ours.member.user.address))
    client = app.test_client()
    send(client, "/sign-in", address=ours.member.user.address, password=NEW)
    assert client.get("/security/").status_code == 200


def test_a_password_that_is_too_short_or_ones_own_name_is_refused_and_the_link_lives(app, ours, asked):
    path = asked(ours.member.user.address)
    assert "at least 10 characters" in choose(app.test_client(), path, 422, "short")
    assert "not your name" in choose(app.test_client(), path, 422, ours.member.user.address)
    choose(app.test_client(), path)


def test_a_lost_bell_is_rung_again(app, ours, server):
    send(app.test_client(), FORGOTTEN, address=ours.member.user.address)
    queues.redis().flushall()
    ring_for_due_notices()
    assert [job.args for job in queues.queue(queues.NOTICES).jobs] == [[str(INSTALLATION)]]


def test_without_a_server_the_page_says_whom_to_ask(app, ours):
    page = words_of(read(app.test_client(), FORGOTTEN))
    assert "Ask a system administrator" in page
    assert "Send me a link" not in page


def test_it_is_on_record_without_the_password(app, ours, asked):
    choose(app.test_client(), asked(ours.member.user.address))
    entry = db.session.scalars(select(SystemAuditEntry)).all()[-1]
    assert (entry.act, entry.actor_id) == ("user.password_chosen", ours.member.user_id)
    assert NEW not in str([entry.before, entry.after, entry.subject])
    assert PASSWORD not in str([entry.before, entry.after, entry.subject])
