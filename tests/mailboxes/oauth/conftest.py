"""The fake provider, and a mailbox connected there."""

import pytest

from tests.mailboxes.oauth.connected import WHO, connected_mailbox, register


@pytest.fixture
def provider(app, oauth_provider, certificates):
    register(app, oauth_provider, certificates)
    return oauth_provider


@pytest.fixture
def mailbox(inside, ours, theirs, provider):
    return connected_mailbox(inside, ours, provider, WHO)
