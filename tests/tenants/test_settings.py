"""A process that is not set up safely does not start, and says what to change."""

import base64

import pytest

from tenants.settings import Settings, SettingsError

GOOD = {
    "POSTROOM_DATABASE_URL": "postgresql+psycopg://app@db/postroom",
    "POSTROOM_SYSTEM_DATABASE_URL": "postgresql+psycopg://system@db/postroom",
    "POSTROOM_REDIS_URL": "redis://redis/0",
    "POSTROOM_SECRET_KEY": "b3Vyb3duc2VjcmV0a2V5LTAxMjM0NTY3ODk",
    "POSTROOM_ENCRYPTION_KEYS": "1:" + base64.b64encode(bytes(32)).decode(),
}


def test_with_everything_there_it_starts():
    assert Settings.from_environment(GOOD).database_url == GOOD["POSTROOM_DATABASE_URL"]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(name):
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("key", ["secret", "changeme", "a" * 64, "short-but-mixed-1234"])
def test_a_default_or_weak_secret_key_is_refused(key):
    with pytest.raises(SettingsError, match="POSTROOM_SECRET_KEY"):
        Settings.from_environment(GOOD | {"POSTROOM_SECRET_KEY": key})


@pytest.mark.parametrize("keys", ["", "1", "1:abc", "1:" + base64.b64encode(bytes(16)).decode(), "a b:x"])
def test_encryption_keys_of_another_form_are_refused(keys):
    with pytest.raises(SettingsError, match="POSTROOM_ENCRYPTION_KEYS"):
        Settings.from_environment(GOOD | {"POSTROOM_ENCRYPTION_KEYS": keys})


@pytest.mark.parametrize(
    ("name", "value"), [("POSTROOM_PERMITTED_NETWORKS", "10/8,x"), ("POSTROOM_PERMITTED_PORTS", "imap")]
)
def test_lists_that_cannot_be_read_are_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(GOOD | {name: value})


def test_settings_do_not_show_their_secrets():
    shown = repr(Settings.from_environment(GOOD))
    assert GOOD["POSTROOM_SECRET_KEY"] not in shown
    assert "encryption_keys" not in shown
