"""A mailbox that is read, beside one of the neighbour, and its page."""

import pytest

from tests.factories import make_mailbox

IMAP = {"imap_enabled": True, "state": "ok"}


@pytest.fixture
def mailbox(ours, theirs):
    make_mailbox(theirs, label="Strange", account=IMAP)
    return make_mailbox(ours, label="Support", account=IMAP)


@pytest.fixture
def url(mailbox):
    return f"/configuration/mailboxes/{mailbox.id}/health"
