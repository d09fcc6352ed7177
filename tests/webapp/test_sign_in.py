"""The door: who gets in, how long, and where they are led."""

import pytest
from sqlalchemy import func, select

from tenants.database import db
from tenants.users import SignIn
from tenants.users.attempts import ATTEMPTS_PER_ACCOUNT, ATTEMPTS_PER_BROWSER, network_of
from tests.factories import PASSWORD, csrf_token, sign_in_by_form
from webapp import LARGEST_FORM
from webapp.auth.cookie import KNOWN_FOR
from webapp.page_request import MOST_FIELDS


def knock(client, address, password=PASSWORD, place="127.0.0.1", **more):
    token = csrf_token(client.get("/sign-in").text)
    data = {"csrf_token": token, "address": address, "password": password, **more}
    return client.post("/sign-in", data=data, environ_base={"REMOTE_ADDR": place})


def test_with_address_and_password_a_person_gets_in(app, ours):
    client = app.test_client()
    answer = knock(client, ours.member.user.address.upper())
    assert answer.status_code == 302
    assert client.get("/security/").status_code == 200


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(app, ours):
    wrong = knock(app.test_client(), ours.member.user.address, "not the password")
    unknown = knock(app.test_client(), "nobody@nowhere.test", "not the password")
    assert wrong.status_code == unknown.status_code == 400
    sentence = "The address or the password is not right."
    assert sentence in wrong.text
    assert sentence in unknown.text
    assert "not the password" not in wrong.text


def test_too_many_attempts_are_refused_also_with_the_right_password(app, ours, theirs):
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        knock(app.test_client(), ours.member.user.address, "wrong wrong wrong")
    answer = knock(app.test_client(), ours.member.user.address)
    assert answer.status_code == 429
    assert "Too many attempts" in answer.text
    assert knock(app.test_client(), theirs.member.user.address).status_code == 302


def test_the_window_of_attempts_ends(app, ours, time_machine_clock):
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        knock(app.test_client(), ours.member.user.address, "wrong wrong wrong")
    time_machine_clock.shift(16 * 60)
    assert knock(app.test_client(), ours.member.user.address).status_code == 302


@pytest.mark.parametrize(
    ("place", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::7", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_place_is_what_one_party_holds(place, network):
    assert network_of(place) == network


def test_neighbours_of_one_network_are_one_place(app, ours, theirs):
    address = ours.member.user.address
    for number in range(ATTEMPTS_PER_ACCOUNT):
        knock(app.test_client(), address, "wrong wrong wrong", place=f"2001:db8:1:2::{number:x}")
    assert knock(app.test_client(), address, place="2001:db8:1:2:3::9").status_code == 429
    assert knock(app.test_client(), address, place="2001:db8:1:3::9").status_code == 302


def test_who_guesses_from_many_places_is_stopped_and_keeps_nobody_out(app, ours, theirs, monkeypatch):
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_BY_STRANGERS", 3)
    known = sign_in_by_form(app, ours.member)
    known.post("/sign-out", data={"csrf_token": csrf_token(known.get("/security/").text)})
    for number in range(3):
        knock(app.test_client(), ours.member.user.address, "wrong wrong wrong", place=f"198.51.100.{number}")
    assert knock(app.test_client(), ours.member.user.address, place="203.0.113.1").status_code == 429
    assert knock(known, ours.member.user.address, place="203.0.113.2").status_code == 302
    assert knock(known, theirs.member.user.address).status_code == 302


def test_one_account_is_one_however_its_domain_is_written(app, ours, theirs, monkeypatch):
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_BY_STRANGERS", 3)
    local, _, domain = ours.member.user.address.partition("@")
    wide = f"{local}@{chr(ord(domain[0]) + 0xFEE0)}{domain[1:]}"
    dotted = f"{local}@{domain.replace('.', '。')}"
    for number, address in enumerate((ours.member.user.address, wide, dotted)):
        guess = knock(app.test_client(), address, "wrong wrong wrong", f"198.51.100.{number}")
        assert guess.status_code == 400
    assert knock(app.test_client(), wide, place="203.0.113.1").status_code == 429
    assert knock(app.test_client(), dotted.upper(), place="203.0.113.2").status_code == 429
    assert knock(app.test_client(), theirs.member.user.address).status_code == 302


def test_a_browser_known_to_one_account_is_none_to_another(app, ours, theirs, monkeypatch):
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_BY_STRANGERS", 3)
    client = sign_in_by_form(app, theirs.member)
    for number in range(3):
        knock(client, ours.member.user.address, "wrong wrong wrong", place=f"198.51.100.{number}")
    assert knock(client, ours.member.user.address, place="203.0.113.1").status_code == 429


def test_a_colleague_in_the_same_network_keeps_no_known_browser_out(app, ours, theirs, monkeypatch):
    known = sign_in_by_form(app, ours.member)
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_PER_PLACE", ATTEMPTS_PER_ACCOUNT)
    for _ in range(ATTEMPTS_PER_ACCOUNT):
        knock(app.test_client(), ours.member.user.address, "wrong wrong wrong")
    assert knock(app.test_client(), ours.member.user.address).status_code == 429
    assert knock(app.test_client(), theirs.member.user.address).status_code == 429  # the place is full, too
    assert knock(known, ours.member.user.address).status_code == 302


def thief_with_the_cookie_of(app, client):
    thief = app.test_client()
    thief.set_cookie("postroom_known", client.get_cookie("postroom_known").value)
    return thief


def test_a_copied_cookie_makes_one_browser_of_many_networks(app, ours, theirs):
    client = sign_in_by_form(app, ours.member)
    for number in range(ATTEMPTS_PER_BROWSER):
        guess = knock(
            thief_with_the_cookie_of(app, client),
            ours.member.user.address,
            "wrong wrong wrong",
            place=f"198.51.100.{number}",
        )
        assert guess.status_code == 400
    thief = thief_with_the_cookie_of(app, client)
    assert knock(thief, ours.member.user.address, place="203.0.113.1").status_code == 429
    assert knock(sign_in_by_form(app, ours.member), ours.member.user.address).status_code == 302


def test_a_browser_is_known_until_the_password_changes_or_a_year_is_over(
    app, ours, theirs, monkeypatch, time_machine_clock
):
    address = ours.member.user.address
    client, kept = sign_in_by_form(app, ours.member), sign_in_by_form(app, ours.member)
    change = {"current": PASSWORD, "password": "another long password", "again": "another long password"}
    token = csrf_token(client.get("/security/").text)
    assert client.post("/security/password", data=change | {"csrf_token": token}).status_code == 302
    monkeypatch.setattr("tenants.users.attempts.ATTEMPTS_BY_STRANGERS", 1)
    knock(app.test_client(), address, "wrong wrong wrong", place="198.51.100.1")
    assert knock(kept, address, "another long password").status_code == 429
    assert knock(client, address, "another long password").status_code == 302
    time_machine_clock.shift(KNOWN_FOR.total_seconds() + 1)
    knock(app.test_client(), address, "wrong wrong wrong", place="198.51.100.1")
    assert knock(thief_with_the_cookie_of(app, client), address, "another long password").status_code == 429


def test_a_cookie_kept_after_signing_out_opens_nothing(app, ours):
    client = sign_in_by_form(app, ours.member)
    kept = client.get_cookie("postroom").value
    client.post("/sign-out", data={"csrf_token": csrf_token(client.get("/security/").text)})
    thief = app.test_client()
    thief.set_cookie("postroom", kept)
    assert thief.get("/security/").status_code == 302


def test_what_one_person_left_open_is_not_sent_by_the_next(app, ours, theirs):
    client = sign_in_by_form(app, ours.member)
    left_open = csrf_token(client.get("/security/").text)
    client.post("/sign-out", data={"csrf_token": left_open})
    assert knock(client, theirs.member.user.address).status_code == 302
    answer = client.post("/security/sign-out-everywhere", data={"csrf_token": left_open})
    assert answer.status_code == 400
    assert "too old" in answer.text


def test_a_page_left_open_outlives_a_sign_in_of_its_own_person_only(app, ours, theirs):
    client = sign_in_by_form(app, ours.member)
    left_open = {"csrf_token": csrf_token(client.get("/security/").text)}
    knock(client, ours.member.user.address)
    assert client.post("/security/sign-out-everywhere", data=left_open).status_code == 302
    knock(client, theirs.member.user.address)  # nobody has signed out
    assert client.post("/security/sign-out-everywhere", data=left_open).status_code == 400


def test_the_session_changes_at_sign_in_and_only_its_hash_is_stored(app, ours):
    client = sign_in_by_form(app, ours.member)
    first = client.get_cookie("postroom").value
    knock(client, ours.member.user.address)
    second = client.get_cookie("postroom").value
    assert first != second
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(SignIn)) == 1
        stored = db.session.scalar(select(SignIn.token_hash))
    assert second.encode() not in stored


def test_the_cookie_is_kept_from_scripts_and_other_sites(app, ours):
    answer = knock(app.test_client(), ours.member.user.address)
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if value.startswith("postroom="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/%0d%0aLocation:evil",
        "javascript:alert(1)",
        "http:evil.test",
        " /configuration",
        "/\r\nSet-Cookie: a=b",
    ],
)
def test_signing_in_leads_nowhere_outside(app, ours, target):
    location = knock(app.test_client(), ours.member.user.address, next=target).headers["Location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "\n" not in location


def test_an_address_without_its_last_slash_leads_nowhere_outside(app, ours):
    for asked in ("/mail?q=a", "//mail//?q=a"):
        answer = app.test_client().get(asked, headers={"Host": "evil.test"})
        location = answer.headers.get("Location", "/")
        assert (location.startswith("/"), location.startswith("//"), "evil" in location) == (
            True,
            False,
            False,
        )
    assert app.test_client().get("/mail?q=a").location == "/mail/?q=a"


def test_the_door_answers_who_asks_for_its_headers(app):
    assert app.test_client().head("/sign-in").status_code == 200


def test_signing_in_leads_where_the_person_wanted_to_go(app, ours):
    visitor = app.test_client()
    wanted = visitor.get("/my-configuration/email?q=signature").headers["Location"]
    assert "/sign-in?next=" in wanted
    answer = knock(visitor, ours.member.user.address, next="/my-configuration/email?q=signature")
    assert answer.headers["Location"] == "/my-configuration/email?q=signature"


def test_every_answer_carries_the_policy_with_a_nonce_of_its_own(app, ours):
    client = app.test_client()
    first, second = (client.get("/sign-in").headers["Content-Security-Policy"] for _ in range(2))
    assert first != second
    for policy in (first, second):
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy


def test_a_form_has_no_more_fields_than_any_of_ours(app, ours):
    client = sign_in_by_form(app, ours.member)
    token = csrf_token(client.get("/leads/").text)
    form = {"content_type": "application/x-www-form-urlencoded"}
    for fields, status in ((MOST_FIELDS - 2, 422), (MOST_FIELDS, 413)):
        answer = client.post("/leads/status", data=f"csrf_token={token}&status=x{'&a' * fields}", **form)
        assert answer.status_code == status
    typed = f"csrf_token={token}&status={'x' * LARGEST_FORM}"
    assert client.post("/leads/status", data=typed, **form).status_code == 413


def test_strangers_send_little(app, ours):
    page = {"csrf_token": csrf_token(app.test_client().get("/sign-in").text), "address": "a" * 100_000}
    assert app.test_client().post("/sign-in", data=page).status_code == 413
    assert sign_in_by_form(app, ours.member).post("/sign-out", data=page).status_code == 400


def test_a_page_that_does_not_exist_says_so_kindly(app, ours):
    answer = sign_in_by_form(app, ours.member).get("/nothing-here")
    assert answer.status_code == 404
    assert "We could not find that." in answer.text


def test_the_process_says_that_it_lives_and_is_ready(app):
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json == {"database": True, "migrations": True, "redis": True}
