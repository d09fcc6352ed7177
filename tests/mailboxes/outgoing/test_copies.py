"""The copy in the Sent folder: one, in time, and never a second sending."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from mailboxes import timeline
from mailboxes.accounts import Account, Folder
from mailboxes.connection_places import filing
from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    MailboxFullError,
    ServerTimeoutError,
    ThrottledError,
    TurnedAwayError,
)
from mailboxes.messages import Location, Message
from mailboxes.outgoing import file_copies
from mailboxes.outgoing.copies import MOST_ATTEMPTS
from tenants.database import db, now
from tests.mailboxes.arriving import receive
from tests.mailboxes.outgoing.queued import put
from tests.mailboxes.sending import outbox, send, steps


class Imap:
    """Stands in for a connection: what was appended."""

    appended: ClassVar[list[tuple[bytes, bytes, tuple[str, ...]]]] = []
    error: Exception | None = None
    search_error: Exception | None = None
    is_out_of_step = False

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def has_message(self, folder, message_id, since):
        if self.search_error:
            self.is_out_of_step = self.search_error.needs_reconnect
            raise self.search_error
        wanted = f"Message-ID: <{message_id}>".encode()
        return any(place == folder and wanted in raw for place, raw, _ in self.appended)

    def reopen(self):
        self.is_out_of_step = False

    def append(self, folder, raw, flags=(), when=None):
        if self.is_out_of_step:
            raise ConnectionLostError
        if self.error:
            raise self.error
        self.appended.append((folder, raw, flags))


@pytest.fixture
def imap(monkeypatch):
    Imap.appended, Imap.error, Imap.search_error = [], None, None
    monkeypatch.setattr("mailboxes.outgoing.copies.ImapConnection", Imap)
    return Imap


@pytest.fixture
def with_sent(ours, mailbox, inside):
    with inside(ours):
        db.session.execute(update(Account).values(imap_enabled=True, imap_host="localhost"))
        db.session.add(
            Folder(
                organization_id=ours.id,
                account_id=mailbox.account_id,
                name_raw=b"Sent",
                name="Sent",
                special_use="sent",
            )
        )
        db.session.commit()


def copy(world, inside):
    put(world, inside, copy_after=now() - timedelta(seconds=1))
    with inside(world):
        return file_copies()


def test_a_copy_is_filed_once_after_a_while(ours, write, with_sent, imap, smtp_sink, inside):
    _, message = write()
    send(ours)
    with inside(ours):
        assert file_copies() == 0
    assert copy(ours, inside) == 1
    assert copy(ours, inside) == 0
    assert imap.appended == [(b"Sent", smtp_sink.messages[0].content, ("\\Seen",))]
    assert steps(ours, message, "filed") == [("filed", "filed")]


def test_copies_of_one_account_are_filed_one_at_a_time_and_waiting_is_no_attempt(
    ours, mailbox, write, with_sent, imap, inside
):
    _, message = write()
    send(ours)
    with filing(mailbox.account_id):
        for _ in range(MOST_ATTEMPTS + 1):
            assert copy(ours, inside) == 0
    assert imap.appended == []
    assert steps(ours, message, "filed") == []
    with filing(mailbox.id):  # another account's
        assert copy(ours, inside) == 1


def test_of_two_sent_folders_the_one_that_is_called_so_gets_the_copy(
    ours, mailbox, write, with_sent, imap, inside
):
    with inside(ours):
        db.session.execute(
            update(Folder).where(Folder.name == "Sent").values(name="INBOX.Sent", delimiter=".")
        )
        other = {"name_raw": b"Alt", "name": "Alt", "special_use": "sent", "id": UUID(int=1)}
        db.session.add(Folder(organization_id=ours.id, account_id=mailbox.account_id, **other))
        db.session.commit()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    assert [place for place, _, _ in imap.appended] == [b"Sent"]


def test_a_copy_is_filed_once_although_we_died_after_filing_it(ours, write, with_sent, imap, inside):
    write()
    send(ours)
    assert copy(ours, inside) == 1
    put(ours, inside, copy_state="pending")
    assert copy(ours, inside) == 1
    assert len(imap.appended) == 1
    assert [row.copy_state for row in outbox(ours)] == ["done"]


def test_a_server_that_searches_nothing_still_gets_the_copy(ours, write, with_sent, imap, inside):
    imap.search_error = CommandRefusedError()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    assert len(imap.appended) == 1


@pytest.mark.parametrize("error", [ServerTimeoutError, TurnedAwayError])  # Yahoo: NO [SERVERBUG]
def test_a_search_that_breaks_off_keeps_no_first_copy_back_and_files_none_twice(
    ours, write, with_sent, imap, inside, error
):
    imap.search_error = error()
    write()
    send(ours)
    assert copy(ours, inside) == 1
    put(ours, inside, copy_state="pending")  # as if we had died after filing it
    assert copy(ours, inside) == 0
    assert len(imap.appended) == 1


def test_a_copy_waits_where_the_server_asks_for_quiet(ours, write, with_sent, imap, inside):
    imap.search_error = ThrottledError()
    write()
    send(ours)
    assert copy(ours, inside) == 0
    assert imap.appended == []


def test_a_mailbox_that_is_full_is_said_to_be(ours, write, with_sent, imap, inside):
    imap.error = MailboxFullError()
    _, message = write()
    send(ours)
    put(ours, inside, copy_attempts=MOST_ATTEMPTS - 1)
    assert copy(ours, inside) == 0
    assert [row.copy_state for row in outbox(ours)] == ["failed"]
    with inside(ours):
        query = select(timeline.Event.reason).where(
            timeline.Event.message_id == message.id, timeline.Event.stage == "filed"
        )
        assert "The mailbox is full." in db.session.scalars(query).one()


def test_a_server_that_filed_its_own_copy_gets_none_of_ours(
    ours, mailbox, write, with_sent, imap, smtp_sink, inside
):
    write()
    send(ours)
    rewritten = b"Received: by relay\r\n" + smtp_sink.messages[0].content
    receive(ours, mailbox, rewritten, folder="sent")
    assert copy(ours, inside) == 0
    assert imap.appended == []
    assert [row.copy_state for row in outbox(ours)] == ["skipped"]
    with inside(ours):
        assert db.session.scalar(select(func.count()).select_from(Location)) == 1
        assert db.session.scalar(select(func.count()).select_from(Message)) == 1


@pytest.mark.parametrize(
    "values", [{"kind": "google"}, {"kind": "microsoft"}, {"copies_sent": False}, {"imap_enabled": False}]
)
def test_no_copy_where_none_is_wanted(ours, write, with_sent, imap, inside, values):
    with inside(ours):
        db.session.execute(update(Account).values(**values))
        db.session.commit()
    write()
    send(ours)
    assert copy(ours, inside) == 0
    assert imap.appended == []


def test_a_copy_that_cannot_be_filed_never_sends_again(ours, write, with_sent, imap, smtp_sink, inside):
    from mailboxes.errors import ServerUnavailableError

    imap.error = ServerUnavailableError()
    write()
    send(ours)
    for _ in range(7):
        assert copy(ours, inside) == 0
    (row,) = outbox(ours)
    assert (row.state, row.copy_state, row.copy_attempts) == ("sent", "failed", 6)
    assert len(smtp_sink.messages) == 1
