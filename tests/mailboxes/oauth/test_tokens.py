"""Tokens are given to the provider's servers alone, refreshed in time, revoked, and shown to nobody."""

import json
import threading
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import func, select, update

from mailboxes import oauth
from mailboxes.connections import imap_settings, smtp_settings
from mailboxes.errors import (
    ConsentEndedError,
    MailServerError,
    TokenUnavailableError,
    UnreadableConnectionError,
)
from mailboxes.oauth import OAuthConnection
from mailboxes.oauth.client import refreshed_tokens
from mailboxes.rotation import reencrypt_all
from mailboxes.sync.claiming import Rhythms, claim_due
from tenants.configuration.catalog import SYSTEM
from tenants.configuration.layers import override
from tenants.database import INSTALLATION, db, inside_installation, now
from tests.mailboxes.oauth.connected import WHO, account_of, begin, connection_of, permitted, tokens_of


def test_tokens_are_shown_to_the_providers_servers_alone(inside, ours, provider, mailbox):
    with inside(ours):
        account = account_of(mailbox)
        account.imap_host, account.smtp_host = "evil.test", "evil.test"
        assert imap_settings(account).host == "localhost"
        assert smtp_settings(account).host == "localhost"
        assert imap_settings(account).password == ""
        assert "canary" not in repr(imap_settings(account))


def test_without_the_provider_nobody_is_shown_a_token(app, inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    for key in ("client_id", "client_secret"):
        override(f"oauth.google.{key}", "", SYSTEM, by="x")
    db.session.commit()
    with pytest.raises(TokenUnavailableError):
        tokens("")


def test_connections_nobody_saved_are_forgotten(inside, ours, provider, mailbox):
    with inside(ours):
        begin()
        permitted(provider, WHO)
    oauth.forget_unused()
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(OAuthConnection)) == 3
        db.session.execute(update(OAuthConnection).values(asked_at=now() - timedelta(hours=25)))
        db.session.commit()
    oauth.forget_unused()
    with inside(ours):
        assert db.session.scalars(select(OAuthConnection.account_id)).all() == [mailbox.account_id]


def test_a_token_that_lives_is_given_without_asking(inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    assert tokens("") == tokens("")
    assert provider.refresh_count == 0


def test_a_token_is_refreshed_before_it_ends(inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    with inside(ours):
        connection_of(mailbox).expires_at = now() + timedelta(minutes=4)
        db.session.commit()
    assert tokens("") != first
    assert provider.refresh_count == 1


def test_a_token_that_was_refused_is_replaced_whatever_its_age(inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    second = tokens(first)
    assert second != first
    assert tokens(first) == second  # somebody else has replaced it already
    assert provider.refresh_count == 1


def test_a_short_life_is_used_for_half_of_it(inside, ours, provider, mailbox):
    provider.seconds = 60
    tokens = tokens_of(inside, ours, mailbox)
    second = tokens(tokens(""))
    assert tokens("") == second
    with inside(ours):
        remaining = connection_of(mailbox).expires_at - now() - oauth.tokens.EARLY
        assert timedelta(seconds=20) < remaining <= timedelta(seconds=30)


def test_many_who_need_one_at_once_ask_once(app, inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    first, found = tokens(""), []
    threads = [threading.Thread(target=lambda: found.append(tokens(first))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert provider.refresh_count == 1


def test_a_new_refresh_token_is_kept(inside, ours, provider, mailbox):
    provider.rotates = True
    tokens = tokens_of(inside, ours, mailbox)
    with inside(ours):
        before = connection_of(mailbox).opened("refresh")
    third = tokens(tokens(tokens("")))
    with inside(ours):
        assert connection_of(mailbox).opened("refresh") != before
    assert provider.knows(WHO, third)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"oops"),
        (503, b""),
        (429, b"slow down"),
        (400, b'{"error": "temporarily_unavailable"}'),
        (401, b'{"error": "invalid_client"}'),
        (200, b"not json"),
    ],
)
def test_a_provider_that_does_not_answer_ends_nothing_and_is_left_alone(
    inside, ours, provider, mailbox, status, body
):
    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    provider.fail(status, body)
    with pytest.raises(TokenUnavailableError) as unavailable:
        tokens(first)
    assert not unavailable.value.is_permanent
    for _ in range(3):
        with pytest.raises(TokenUnavailableError):
            tokens(first)
    assert provider.refresh_count == 1
    with inside(ours):
        assert connection_of(mailbox).state == "connected"
        assert account_of(mailbox).state != "disconnected"
        connection_of(mailbox).next_attempt_at = now()
        db.session.commit()
    provider.heal()
    assert provider.knows(WHO, tokens(first))
    with inside(ours):
        assert connection_of(mailbox).failure_count == 0


def test_an_unreachable_provider_is_transient_too(app, inside, ours, provider, mailbox):
    import dataclasses

    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    settings = app.config["POSTROOM"]
    app.config["POSTROOM"] = dataclasses.replace(settings, permitted_networks=())
    with pytest.raises(TokenUnavailableError):
        tokens(first)


@pytest.mark.parametrize("code", ["invalid_grant", "interaction_required", "consent_required"])
def test_a_permission_that_is_gone_is_said_once_and_for_all(inside, ours, theirs, provider, mailbox, code):
    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    provider.fail(400, json.dumps({"error": code}).encode())
    for _ in range(3):
        with pytest.raises(ConsentEndedError) as ended:
            tokens(first)
    assert ended.value.is_permanent
    assert provider.refresh_count == 1
    with inside(ours):
        account, connection = account_of(mailbox), connection_of(mailbox)
        assert (account.state, connection.state) == ("disconnected", "ended")
        assert (connection.access_secret, connection.refresh_secret) == (None, None)
        assert "connected again" in account.last_error
        account.next_attempt_at = now() - timedelta(minutes=1)
        db.session.commit()
    assert claim_due(10, Rhythms()) == []


def test_disconnecting_forgets_the_tokens_and_tells_the_provider(inside, ours, provider, mailbox):
    tokens = tokens_of(inside, ours, mailbox)
    with inside(ours):
        refresh = connection_of(mailbox).opened("refresh")
        tell = oauth.disconnect(account_of(mailbox), "Ada")
        db.session.commit()
        tell()
        assert account_of(mailbox).last_error == "Disconnected by Ada."
    assert provider.revoked == [refresh]
    with pytest.raises(ConsentEndedError):
        tokens("")


def test_a_key_that_is_gone_loses_no_token(app, inside, ours, provider, mailbox):
    import dataclasses

    tokens = tokens_of(inside, ours, mailbox)
    settings = app.config["POSTROOM"]
    app.config["POSTROOM"] = dataclasses.replace(settings, encryption_keys={"2": b"x" * 32})
    with pytest.raises(UnreadableConnectionError, match="cannot be decrypted"):
        tokens("")
    app.config["POSTROOM"] = settings
    assert provider.knows(WHO, tokens(""))


def test_tokens_of_a_global_account_are_the_installations(inside, ours, provider):
    with inside_installation("a test"):
        made = permitted(provider, WHO)
        tokens = oauth.source_of_pending(INSTALLATION, made.id)
    with inside(ours):
        assert provider.knows(WHO, tokens(""))
        assert db.session.scalar(select(func.count()).select_from(OAuthConnection)) == 0


def test_no_token_is_stored_in_clear_and_rotation_takes_them_along(
    app, inside, ours, provider, mailbox, database_urls
):
    import dataclasses

    with inside(ours):
        begin()
    with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT c::text FROM oauth_connections c").fetchall()
        blobs = connection.execute("SELECT access_secret, refresh_secret FROM oauth_connections").fetchall()
    assert "canary" not in str(rows)
    assert not any(b"canary" in blob for row in blobs for blob in row if blob)
    settings = app.config["POSTROOM"]
    keys = {**settings.encryption_keys, "2": b"n" * 32}
    app.config["POSTROOM"] = dataclasses.replace(settings, encryption_keys=keys)
    assert reencrypt_all() >= 3
    app.config["POSTROOM"] = dataclasses.replace(settings, encryption_keys={"2": b"n" * 32})
    with inside(ours):
        assert provider.knows(WHO, connection_of(mailbox).opened("access"))


def test_nothing_secret_is_logged(inside, ours, provider, mailbox, capfd, caplog):
    tokens = tokens_of(inside, ours, mailbox)
    first = tokens("")
    tokens(first)
    provider.revoke(WHO)
    with pytest.raises(ConsentEndedError):
        tokens(tokens(""))
    written = capfd.readouterr()
    for text in (written.out, written.err, caplog.text):
        assert "canary" not in text


@pytest.mark.parametrize("token", ["a\r\nEHLO", "ü", "x" * 20_000, ""])
def test_a_token_that_could_carry_a_command_is_not_taken(app, provider, token):
    provider.fail(200, json.dumps({"access_token": token, "expires_in": 60}).encode())
    with pytest.raises(MailServerError):
        refreshed_tokens(oauth.provider_of("google"), "canary-refresh")
