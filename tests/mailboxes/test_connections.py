"""From an account's row to the settings of a connection."""

from typing import Any

import pytest
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.connections import egress_policy, imap_settings, password_of, smtp_settings, store_password
from tenants.database import db
from tenants.secrets import UnreadableSecretError
from tests.factories import World, make_mailbox

GIVEN = {"imap_host": "imap.acme.test", "imap_user": "u", "smtp_enabled": True, "smtp_host": "smtp.acme.test"}


def _account(world: World, inside: Any, **given: Any) -> Account:
    mailbox = make_mailbox(world, account={**GIVEN, **given})
    with inside(world):
        account = db.session.scalars(select(Account).where(Account.id == mailbox.account_id)).one()
        store_password(account, "imap", "pä ss")
        db.session.commit()
    return account


def test_a_stored_password_is_read_for_a_connection_only(ours: World, inside: Any) -> None:
    account = _account(ours, inside)
    assert b"ss" not in (account.imap_secret or b"")
    with inside(ours):
        settings = imap_settings(account)
    assert (settings.host, settings.user, settings.password) == ("imap.acme.test", "u", "pä ss")
    assert settings.max_message_bytes == 50 * 1024 * 1024
    assert "pä ss" not in repr(settings)


def test_smtp_uses_the_imap_login_unless_it_has_its_own(ours: World, inside: Any) -> None:
    account = _account(ours, inside)
    with inside(ours):
        shared = smtp_settings(account)
        account.smtp_user = "sender"
        store_password(account, "smtp", "other")
        own = smtp_settings(account)
    assert shared is not None
    assert (shared.user, shared.password) == ("u", "pä ss")
    assert own is not None
    assert (own.user, own.password) == ("sender", "other")


def test_without_smtp_there_are_no_settings(ours: World, inside: Any) -> None:
    with inside(ours):
        assert smtp_settings(_account(ours, inside, smtp_enabled=False)) is None


def test_a_password_does_not_open_in_another_row(ours: World, inside: Any) -> None:
    one, other = _account(ours, inside), _account(ours, inside)
    other.imap_secret = one.imap_secret
    with inside(ours), pytest.raises(UnreadableSecretError):
        password_of(other, "imap")


def test_an_empty_password_forgets(ours: World, inside: Any) -> None:
    account = _account(ours, inside)
    with inside(ours):
        store_password(account, "imap", "")
        assert password_of(account, "imap") == ""


def test_the_policy_is_that_of_the_installation(ours: World, inside: Any) -> None:
    with inside(ours):
        policy = egress_policy()
    assert [str(network) for network in policy.networks] == ["127.0.0.0/8"]
    assert 993 in policy.ports
