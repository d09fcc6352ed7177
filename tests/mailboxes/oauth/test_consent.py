"""Permission is asked for and given: once, by whoever asked, for one account."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from mailboxes import oauth
from mailboxes.oauth import OAuthConnection, RefusedConsentError
from tenants.database import db, now
from tenants.errors import InvalidError
from tests.mailboxes.oauth.connected import (
    CALLBACK,
    SESSION,
    WHO,
    account_of,
    begin,
    connection_of,
    finish,
    permitted,
)


def test_the_question_carries_state_challenge_and_the_address_to_begin_with(inside, ours, provider):
    with inside(ours):
        url = begin(hint=WHO)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["redirect_uri"] == CALLBACK
    assert asked["state"].startswith("mailboxes.")
    assert asked["login_hint"] == WHO
    assert len(asked["code_challenge"]) == 43
    assert (asked["prompt"], asked["access_type"]) == ("consent", "offline")
    assert "secret" not in url


def test_an_answer_becomes_a_connection(inside, ours, provider):
    with inside(ours):
        connection = finish(provider.permit(begin(), WHO))
        assert (connection.state, connection.identity, connection.connected_by) == ("connected", WHO, "Ada")
        assert provider.knows(WHO, connection.opened("access"))
        assert connection.verifier_secret is None


def test_an_answer_counts_once(inside, ours, provider):
    with inside(ours):
        answer = provider.permit(begin(), WHO)
        finish(answer)
        db.session.commit()
        with pytest.raises(RefusedConsentError):
            finish(answer)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("wrong", ["session", "organization", "state", "late"])
def test_an_answer_belongs_to_its_question(inside, ours, theirs, provider, wrong):
    with inside(ours):
        answer = provider.permit(begin(), WHO)
        if wrong == "late":
            db.session.execute(update(OAuthConnection).values(asked_at=now() - timedelta(minutes=16)))
            db.session.commit()
    if wrong == "state":
        answer["state"] = "mailboxes.guessed"
    with inside(theirs if wrong == "organization" else ours), pytest.raises(RefusedConsentError):
        finish(answer, session=b"another" if wrong == "session" else SESSION)
    assert provider.asked == []


def test_of_twenty_answers_at_once_one_counts(app, inside, ours, provider):
    with inside(ours):
        answer = provider.permit(begin(), WHO)
    outcomes = []

    def answer_it():
        with app.app_context(), inside(ours):
            try:
                finish(answer)
                db.session.commit()
                outcomes.append("connected")
            except RefusedConsentError:
                outcomes.append("refused")

    threads = [threading.Thread(target=answer_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["connected", *["refused"] * 19]


def test_a_stolen_code_is_worth_nothing_without_the_verifier(inside, ours, theirs, provider):
    with inside(ours):
        stolen = provider.permit(begin(), WHO)["code"]
    with inside(theirs):
        answer = provider.permit(begin(), "evil@acme.test")
        with pytest.raises(RefusedConsentError):
            finish({**answer, "code": stolen})


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (lambda provider: provider.fail(503), "does not answer at the moment"),
        (lambda provider: provider.fail(200, b"<html>"), "does not answer at the moment"),
        (lambda provider: provider.fail(200, b"[]"), "does not answer at the moment"),
        (lambda provider: provider.fail(200, b'{"access_token": 7}'), "does not answer at the moment"),
        (lambda provider: provider.fail(302, b"", Location="https://evil.test/"), "does not answer"),
        (lambda provider: provider.fail(401, b'{"error": "invalid_client"}'), "does not accept this install"),
        (lambda provider: setattr(provider, "gives_refresh_token", False), "no lasting permission"),
    ],
)
def test_what_came_to_nothing_says_why_and_keeps_the_page(inside, ours, provider, happens, sentence):
    happens(provider)
    with inside(ours):
        answer = provider.permit(begin(typed={"page": "/new"}), WHO)
        with pytest.raises(RefusedConsentError, match=sentence) as refused:
            finish(answer)
        assert "canary" not in refused.value.message
        left = oauth.left_page(refused.value.connection_id, SESSION)
        assert left == {"page": "/new"}
        assert oauth.pending(refused.value.connection_id, SESSION) is None


def test_who_declines_is_told_so(inside, ours, provider):
    with inside(ours):
        answer = provider.permit(begin(), WHO)
        with pytest.raises(RefusedConsentError, match="was not permitted"):
            finish({**answer, "code": ""})


def test_without_a_client_id_nobody_is_asked(inside, ours):
    with inside(ours), pytest.raises(InvalidError, match="not set up"):
        oauth.begin(oauth.Request("google", SESSION, "mailboxes", CALLBACK))
    assert oauth.offered_kinds() == []


def test_client_id_and_secret_may_come_from_the_environment(app, monkeypatch):
    import dataclasses

    settings = dataclasses.replace(
        app.config["POSTROOM"], microsoft_client_id="from-env", microsoft_client_secret="secret-env"
    )
    monkeypatch.setitem(app.config, "POSTROOM", settings)
    found = oauth.provider_of("microsoft")
    assert (found.client_id, found.client_secret) == ("from-env", "secret-env")
    assert "secret-env" not in repr(found)
    assert (found.imap.host, found.smtp.encryption) == ("outlook.office365.com", "starttls")
    assert oauth.offered_kinds() == [("microsoft", "Microsoft 365")]


def test_a_connection_that_waits_is_for_the_session_that_made_it(inside, ours, theirs, provider):
    with inside(ours):
        made = permitted(provider, WHO)
        assert oauth.pending(made.id, SESSION).identity == WHO
        assert oauth.pending(made.id, b"another") is None
    with inside(theirs):
        assert oauth.pending(made.id, SESSION) is None
        with pytest.raises(InvalidError):
            oauth.adopt(made.id, account_of_new(theirs))


def account_of_new(world):
    from tests.factories import make_mailbox

    mailbox = make_mailbox(world)
    return account_of(mailbox)


def test_a_connection_goes_with_one_account_only(inside, ours, mailbox):
    from tests.factories import make_mailbox

    other = make_mailbox(ours)
    with inside(ours):
        connection = connection_of(mailbox)
        assert oauth.pending(connection.id, SESSION) is None
        with pytest.raises(InvalidError):
            oauth.adopt(connection.id, account_of(other))
