"""What is written on the server, and how its news are waited for."""

import select
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    FolderUnavailableError,
    MailboxFullError,
    MailServerError,
    ProtocolError,
    ServerUnavailableError,
    UidValidityChangedError,
)
from mailboxes.imap import ImapConnection
from tests.faults import behaviours
from tests.faults.behaviours import in_folder, refuse
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.imap.speaking import RAW, Open


@pytest.mark.parametrize("literal_plus", [True, False])
def test_a_copy_is_filed_in_a_folder(imap_server: ScriptedImap, opened: Open, literal_plus: bool) -> None:
    if not literal_plus:
        imap_server.capabilities = "IMAP4rev1"
    imap_server.folder("Sent")
    with opened() as connection:
        uid = connection.append(b"Sent", RAW, ["\\Seen"], datetime(2026, 11, 2, 8, tzinfo=UTC))
    assert imap_server.folder("Sent").messages[uid or 0].raw == RAW


def test_a_server_that_finds_everything_has_no_copy_of_ours(imap_server: ScriptedImap, opened: Open) -> None:
    since = datetime(2026, 11, 2, tzinfo=UTC).date()
    imap_server.folder("Sent").add(b"Message-ID: <theirs@x>\r\n" + RAW)
    imap_server.folder("Sent").add(b"Message-ID: <ours@x>\r\n" + RAW)
    with opened() as connection:
        found = [connection.has_message(b"Sent", id, since) for id in ("ours@x", "theirs@x", "new@x")]
    assert found == [True, True, False]


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 UNSELECT"])
def test_a_copy_is_filed_where_nothing_can_be_filed_in_a_folder_that_is_being_read(  # Courier
    imap_server: ScriptedImap, opened: Open, capabilities: str
) -> None:
    sent = imap_server.folder("Sent")
    imap_server.capabilities = capabilities

    def left(session: Session, command: Command) -> bool:
        session.selected = None
        session.done(command)
        return True

    imap_server.on("APPEND", in_folder("Sent", refuse("NO Current box is selected READ-ONLY.")))
    imap_server.on("UNSELECT", left)
    with opened() as connection:
        assert not connection.has_message(b"Sent", "ours@x", datetime(2026, 11, 2, tzinfo=UTC).date())
        connection.append(b"Sent", RAW)
    assert len(sent.messages) == 1


def test_a_folder_is_left_by_opening_another_where_the_server_refuses_to_have_none_open(
    imap_server: ScriptedImap, opened: Open
) -> None:
    sent = imap_server.folder("Sent")
    imap_server.capabilities = "IMAP4rev1 UNSELECT"
    imap_server.on("APPEND", in_folder("Sent", refuse("NO Current box is selected READ-ONLY.")))
    imap_server.on("UNSELECT", refuse("BAD Unknown command"))
    with opened() as connection:
        assert not connection.has_message(b"Sent", "ours@x", datetime(2026, 11, 2, tzinfo=UTC).date())
        connection.append(b"Sent", RAW)
    assert len(sent.messages) == 1


def test_a_copy_that_was_found_is_there_whether_or_not_its_folder_can_be_left(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.folder("Sent").add(b"Message-ID: <ours@x>\r\n" + RAW)
    imap_server.capabilities = "IMAP4rev1 UNSELECT"
    imap_server.on("UNSELECT", refuse("NO"))
    with opened() as connection:
        imap_server.on("EXAMINE", in_folder("INBOX", refuse("NO")))
        assert connection.has_message(b"Sent", "ours@x", datetime(2026, 11, 2, tzinfo=UTC).date())


def test_a_missing_folder_for_the_copy_says_so(opened: Open) -> None:
    with opened() as connection, pytest.raises(FolderUnavailableError):
        connection.append(b"Gesendet", RAW)


@pytest.mark.parametrize("verb", ["APPEND", "STORE"])
@pytest.mark.parametrize(
    "answer",
    [
        "NO [OVERQUOTA] Quota exceeded (mailbox for user is full)",
        "NO Over quota",  # Cyrus
        "NO [ALERT] You exceeded your mail quota.",  # Courier
    ],
)
def test_a_full_mailbox_is_told_and_nothing_else_waits_for_it(
    imap_server: ScriptedImap, opened: Open, verb: str, answer: str
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.on(verb, refuse(answer))
    with opened() as connection:
        write = {
            "APPEND": partial(connection.append, b"INBOX", RAW),
            "STORE": partial(connection.add_seen, b"INBOX", [uid], None),
        }
        with pytest.raises(MailboxFullError):
            write[verb]()


def test_seen_is_not_stored_in_a_renumbered_folder(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection, pytest.raises(UidValidityChangedError):
        connection.add_seen(b"INBOX", [1], uid_validity=99)
    assert "STORE" not in imap_server.verbs()


def test_news_during_idle_are_told(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on("IDLE", behaviours.tell_then(b"* 1 EXISTS\r\n"))
        assert connection.idle_start() == ["EXISTS"]
        imap_server.push(b"* 2 EXISTS\r\n* 1 RECENT\r\n* 1 EXPU")  # cut in the middle of a line
        wait_readable(connection)
        told = connection.idle_poll()
        assert told[:1] == ["EXISTS"]
        imap_server.push(b"NGE\r\n")
        assert "EXPUNGE" in told + connection.idle_done()
        assert connection.run(b"NOOP").untagged == []


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (lambda server: server.push(b"* BYE idle for too long\r\n"), ServerUnavailableError),
        (lambda server: server.push(b"A1 OK idle is over\r\n"), ProtocolError),
        (lambda server: [session.close() for session in server._sessions], ConnectionLostError),
    ],
)
def test_an_idle_that_ends_is_an_error(
    imap_server: ScriptedImap,
    opened: Open,
    behave: Callable[[ScriptedImap], None],
    expected: type[MailServerError],
) -> None:
    with opened() as connection:
        connection.idle_start()
        behave(imap_server)
        wait_readable(connection)
        with pytest.raises(expected):
            connection.idle_poll()


def test_news_that_come_along_with_the_start_of_idle_are_told(
    imap_server: ScriptedImap, opened: Open
) -> None:
    def eager(session: Session, command: Command) -> bool:
        session.send(b"* 1 RECENT\r\n+ idling\r\n* 5 EXISTS\r\n")
        session.read_line()
        session.done(command)
        return True

    with opened() as connection:
        imap_server.on("IDLE", eager)
        assert connection.idle_start() == ["RECENT", "EXISTS"]
        assert connection.idle_done() == []


def test_a_refused_idle_leaves_the_connection_usable(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on("IDLE", refuse("NO not here"))
        with pytest.raises(CommandRefusedError):
            connection.idle_start()
        assert connection.run(b"NOOP").untagged == []


def wait_readable(connection: ImapConnection) -> None:
    assert select.select([connection.fileno()], [], [], 20)[0]
