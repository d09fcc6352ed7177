"""Stored secrets open in their place only, and can be rotated."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailboxes.accounts import Account
from mailboxes.connections import password_of, store_password
from mailboxes.rotation import reencrypt_all
from tenants.database import db, uuid7
from tenants.secrets import UnreadableSecretError, decrypt, encrypt
from tests.factories import make_mailbox

PLACE = {"table": "accounts", "row": uuid7(), "column": "imap_secret"}


def test_a_secret_comes_back_from_its_place(app):
    @settings(max_examples=50, deadline=None)
    @given(st.text())
    def comes_back(secret):
        assert decrypt(encrypt(secret, **PLACE), **PLACE) == secret

    comes_back()


@pytest.mark.parametrize("moved", [{"row": uuid7()}, {"column": "smtp_secret"}, {"table": "x"}])
def test_a_blob_copied_elsewhere_does_not_open(app, moved):
    blob = encrypt("hunter2", **PLACE)
    with pytest.raises(UnreadableSecretError):
        decrypt(blob, **(PLACE | moved))


def test_two_encryptions_of_one_secret_differ(app):
    assert encrypt("hunter2", **PLACE) != encrypt("hunter2", **PLACE)


def test_after_rotation_the_old_key_is_no_longer_needed(app, inside, ours, theirs):
    for organization in (ours, theirs):
        make_mailbox(organization)
        with inside(organization):
            store_password(db.session.scalar(select(Account)), "imap", f"secret of {organization.name}")
            db.session.commit()
    before = app.config["POSTROOM"]
    old, new = dict(before.encryption_keys), {"2": b"n" * 32}
    try:
        app.config["POSTROOM"] = dataclasses.replace(before, encryption_keys=old | new)
        assert reencrypt_all() == 2
        assert reencrypt_all() == 0
        app.config["POSTROOM"] = dataclasses.replace(before, encryption_keys=new)
        for organization in (ours, theirs):
            with inside(organization):
                account = db.session.scalar(select(Account))
                assert password_of(account, "imap") == f"secret of {organization.name}"
    finally:
        app.config["POSTROOM"] = before
