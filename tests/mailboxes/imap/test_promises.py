"""What servers promise and do not keep (reliability F35), and what nobody makes us say to them (T11)."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    CommandRefusedError,
    FolderUnavailableError,
    UnsafeArgumentError,
)
from mailboxes.imap import ImapConnection, ImapSettings
from mailboxes.imap.changes import MOST_TOLD
from tests.certificates import Certificates
from tests.faults.behaviours import refuse, reply, tell_then
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.imap.speaking import RAW, Open, fetched, whole_session


def test_a_compressed_search_that_is_refused_is_asked_plainly(
    imap_server: ScriptedImap, opened: Open
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.capabilities += " ESEARCH"
    imap_server.on("SEARCH", lambda s, c: b"RETURN" in c.arguments and refuse("BAD what")(s, c))
    with opened() as connection:
        assert [list(connection.all_uids()) for _ in range(2)] == [[uid], [uid]]
    assert imap_server.verbs().count("SEARCH") == 3


def test_an_answer_without_flags_takes_none_away(imap_server: ScriptedImap, opened: Open) -> None:
    told = (
        b"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (7))\r\n* 1 FETCH (UID 1 MODSEQ (8))\r\n"
        b"* 2 FETCH (UID 2 MODSEQ (9))\r\n{tag} OK done\r\n"
    )
    with opened() as connection:
        imap_server.on("FETCH", reply(told))
        changes = connection.changed_since(6)
        assert (changes.flags, len(changes.others)) == ({1: ("\\Seen",)}, 0)
        assert connection.fetch_flags([1, 2]) == {1: ("\\Seen",)}


def test_of_too_many_changes_the_others_are_told_by_number_alone(
    imap_server: ScriptedImap, opened: Open
) -> None:
    count = 40_000
    told = b"".join(
        b"* %d FETCH (UID %d FLAGS (\\Seen) MODSEQ (7))\r\n" % (n, n) for n in range(1, count + 1)
    )
    told += b"{tag} OK done\r\n"
    imap_server.keeps_transcript = False
    with opened() as connection:
        imap_server.on("FETCH", reply(told))
        with most_memory(16):
            changes = connection.changed_since(6)
    assert {*changes.flags, *changes.others} == set(range(1, count + 1))
    assert len(changes.flags) == MOST_TOLD
    assert len(changes.others) == count - MOST_TOLD


@pytest.mark.parametrize("answer", [b"* ESEARCH (TAG x) UID ALL 1:300000\r\n", b""], ids=["range", "numbers"])
def test_a_set_of_many_uids_takes_little_memory(
    imap_server: ScriptedImap, opened: Open, answer: bytes
) -> None:
    if not answer:
        answer = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 300_001)) + b"\r\n"
    imap_server.keeps_transcript = False
    with opened() as connection:
        imap_server.on("SEARCH", reply(answer + b"{tag} OK done\r\n"))
        with most_memory(20):
            found = connection.all_uids()
    assert list(found.ranges()) == [(1, 300_000)]


@contextmanager
def most_memory(megabytes: int) -> Iterator[None]:
    """What happens inside, in the server too, takes no more at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024**2
    finally:
        tracemalloc.stop()


def test_items_that_nobody_asked_for_are_left_aside(imap_server: ScriptedImap, opened: Open) -> None:
    uid = imap_server.folder().add(RAW)

    def chatty(session: Session, command: Command) -> bool:
        good = session.fetch_answer(uid, command.arguments.partition(b" ")[2])
        good = good.replace(b"BODY[]", b"BODY.PEEK[]").replace(b" RFC822.SIZE", b" X.LABEL (a b) RFC822.SIZE")
        extra = b' ANNOTATION (/comment (value.priv "x")))\r\n'
        session.send(good.removesuffix(b")\r\n") + extra)
        session.done(command)
        return True

    imap_server.on("FETCH", chatty)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw, message.received_at is None) == (RAW, False)
    assert imap_server.connection_count == 1


def test_a_status_with_numbers_of_changes_that_is_refused_is_asked_without(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.folder().add(RAW)
    imap_server.capabilities += " CONDSTORE"
    imap_server.on("STATUS", lambda s, c: b"HIGHESTMODSEQ" in c.arguments and refuse("BAD what")(s, c))
    with opened() as connection:
        assert connection.status(b"INBOX").messages == 1


def test_a_status_with_numbers_that_cannot_be_is_as_if_they_were_not_told(
    imap_server: ScriptedImap, opened: Open
) -> None:
    told = b"MESSAGES 3 UIDNEXT 9223372036854775807 UIDVALIDITY 18446744073709551615"
    imap_server.on("STATUS", reply(b"* STATUS INBOX (%b)\r\n{tag} OK done\r\n" % told))
    with opened() as connection:
        status = connection.status(b"INBOX")
    assert (status.messages, status.uid_next, status.uid_validity) == (3, 2**63 - 1, None)


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"* OK [PERMANENTFLAGS ()] none", False),
        (b"* OK [PERMANENTFLAGS (\\Deleted \\*)] some", False),
        (b"* OK [PERMANENTFLAGS (\\Answered \\SEEN)] ok", True),
        (b"* OK nothing of flags", True),
    ],
)
def test_what_is_read_is_told_only_where_it_is_kept(
    imap_server: ScriptedImap, opened: Open, line: bytes, keeps: bool
) -> None:
    uid = imap_server.folder().add(RAW)
    imap_server.on("SELECT", tell_then(line + b"\r\n"))
    with opened() as connection:
        if keeps:
            connection.add_seen(b"INBOX", [uid], None)
        else:
            with pytest.raises(CommandRefusedError):
                connection.add_seen(b"INBOX", [uid], None)
    assert ("STORE" in imap_server.verbs()) is keeps


EVIL = ["a\r\nX8 DELETE INBOX", "a\nb", "a\rb", "a\0b"]


@pytest.mark.parametrize("text", EVIL)
def test_no_argument_becomes_a_command(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy, opened: Open, text: str
) -> None:
    for changes in ({"user": text}, {"password": text}):
        with pytest.raises(UnsafeArgumentError):
            ImapConnection(replace(account, **changes), loopback).open()  # type: ignore[arg-type]
    with opened() as connection:
        for attempt in (connection.examine, connection.status):
            with pytest.raises(UnsafeArgumentError):
                attempt(text.encode())
        with pytest.raises(UnsafeArgumentError):
            connection.append(text.encode(), RAW)
        with pytest.raises(ValueError, match="flag"):
            connection.append(b"INBOX", RAW, [text])
    assert b"DELETE" not in imap_server.received


@given(name=st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_as_many_commands_arrive_as_were_given(
    certificates: Certificates, loopback: EgressPolicy, name: bytes
) -> None:
    with ScriptedImap(certificates.good) as server:
        chosen = ImapSettings("localhost", server.port, "none", server.user, server.password)
        connection = ImapConnection(chosen, loopback)
        connection.open()
        before = len(server.commands)
        try:
            connection.examine(name)
            given_count = 1
        except FolderUnavailableError:
            given_count = 1
        except UnsafeArgumentError:
            given_count = 0
        assert len(server.commands) - before == given_count
        connection.close()


def test_reading_leaves_no_trace(
    imap_server: ScriptedImap, account: ImapSettings, loopback: EgressPolicy
) -> None:
    imap_server.folder().add(RAW)
    whole_session(account, loopback)
    assert set(imap_server.verbs()) <= {
        "CAPABILITY",
        "LOGIN",
        "LIST",
        "EXAMINE",
        "SEARCH",
        "FETCH",
        "NOOP",
        "LOGOUT",
    }
    fetches = [command.arguments for command in imap_server.commands if command.verb == "FETCH"]
    assert not any(b"BODY[" in arguments for arguments in fetches)
