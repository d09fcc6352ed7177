"""Messages out of servers that make it hard (reliability F9-F17, F43-F46)."""

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.errors import (
    CommandRefusedError,
    ConnectionLostError,
    ProtocolError,
    ThrottledError,
    UidValidityChangedError,
)
from mailboxes.imap.asking import REFUSALS_OF_ALL
from mailboxes.imap.dialogue import tokens
from mailboxes.imap.fetching import GONE, flag_names, internal_date
from mailboxes.imap.refusals import QUOTA_SECONDS
from mailboxes.wire import Timeouts
from tests.faults import behaviours
from tests.faults.behaviours import Behaviour, for_messages, refuse, reply
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.imap.speaking import RAW, Open, fetched


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b"NIL"),
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b'""'),
        lambda good: good.replace(b"{%d}\r\n" % len(RAW) + RAW, b"{0}\r\n"),
        lambda good: good.replace(b"UID 2 ", b""),
        lambda good: good.replace(b"UID 2 ", b"UID 99 "),
        lambda good: None,
        lambda good: good.replace(b"{%d}" % len(RAW), b"{%d}" % (len(RAW) + 9)),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{%d}" % (len(RAW) - 9)),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{8000000000}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{99999999999999999999}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{-5}"),
        lambda good: good.replace(b"{%d}" % len(RAW), b"{abc}"),
        lambda _: b"\xff\xfe\r\n",
    ],
)
@pytest.mark.parametrize("times", [1, None])
def test_one_spoilt_message_never_stops_the_others(
    imap_server: ScriptedImap,
    opened: Open,
    spoil: Callable[[bytes], bytes | None],
    times: int | None,
) -> None:
    folder = imap_server.folder()
    uids = [folder.add(RAW) for _ in range(4)]
    with opened(timeouts=Timeouts(command=2)) as connection:
        imap_server.on(
            "FETCH", for_messages(lambda _, uid, good: spoil(good) if uid == 2 else good), times=None
        )
        if times is not None:
            imap_server.on("SEARCH", healing(imap_server))
        messages = fetched(connection, *uids)
    assert [message.uid for message in messages] == uids
    others = [message for message in messages if message.uid != 2]
    assert all(message.raw == RAW for message in others)
    (spoilt,) = [message for message in messages if message.uid == 2]
    assert spoilt.raw in {None, RAW}
    assert spoilt.raw == RAW or spoilt.failure


def healing(server: ScriptedImap) -> Behaviour:
    def behave(session: Session, command: Command) -> bool:
        server.heal()
        return False

    return behave


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:-3] + b"\r\n)\r\n",  # a blank line after the literal
        lambda good: good[:-3] + b"\r\n",  # no closing parenthesis (Xeams)
        lambda good: good.replace(b"FETCH", b"fetch").replace(b"UID", b"uid").replace(b"BODY", b"body"),
        lambda good: good.replace(b"* 1 FETCH", b"* 0 FETCH"),  # Courier
        lambda good: b"* 4 EXISTS\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n" + good,
        lambda good: good[:-3] + b' FLAGS (\\Seen $Label) MODSEQ (12) X-GM-LABELS ("a b"))\r\n',
        lambda good: good.replace(b"(UID", b"( UID"),
    ],
)
def test_an_oddly_framed_answer_is_read(
    imap_server: ScriptedImap, opened: Open, spoil: Callable[[bytes], bytes]
) -> None:
    folder = imap_server.folder()
    uids = [folder.add(RAW), folder.add(RAW + b"second\r\n")]
    with opened() as connection:
        imap_server.on("FETCH", for_messages(lambda _, uid, good: spoil(good)))
        messages = fetched(connection, *uids)
    assert [message.raw for message in messages] == [RAW, RAW + b"second\r\n"]
    assert imap_server.connection_count == 1


@pytest.mark.parametrize("claimed", [0, 1, 10**9 // 30])
def test_the_size_is_a_hint_and_the_literal_the_truth(
    imap_server: ScriptedImap, opened: Open, claimed: int
) -> None:
    uid = imap_server.folder().add(RAW, claimed_size=claimed)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.raw == RAW


def test_a_large_message_comes_in_pieces(imap_server: ScriptedImap, opened: Open) -> None:
    raw = RAW + b"x" * (6 * 1024 * 1024)
    uid = imap_server.folder().add(raw)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert (message.spool.content(), message.raw) == (raw, None)
    assert not any(b"PEEK[])" in command.arguments for command in imap_server.commands)


def test_a_large_message_that_moves_meanwhile_is_not_there_in_part(
    imap_server: ScriptedImap, opened: Open
) -> None:
    folder = imap_server.folder()
    moving = folder.add(RAW + b"x" * (6 * 1024 * 1024))
    staying = folder.add(RAW)
    asked = itertools.count()

    def move(session: Session, command: Command) -> bool:
        if b"PEEK[]<" in command.arguments and next(asked) == 2:
            folder.messages.pop(moving)
        return False

    imap_server.on("FETCH", move)
    with opened() as connection:
        assert [message.uid for message in fetched(connection, moving, staying)] == [staying]
    assert next(asked) > 2


def refusing(bad: int, items: bytes, *, tells_others: bool) -> Behaviour:
    """Some messages could not be FETCHed (Gmail, Yahoo): with this one asked for, the command ends in NO."""

    def behave(session: Session, command: Command) -> bool:
        wanted, _, asked_items = command.arguments.partition(b" ")
        asked = session.folder.asked(wanted.decode())
        if bad not in asked or items not in asked_items:
            return False
        for uid in asked if tells_others else []:
            if uid != bad:
                session.send(session.fetch_answer(uid, asked_items))
        return refuse("NO Some messages could not be FETCHed (Failure)")(session, command)

    return behave


@pytest.mark.parametrize("tells_others", [True, False])
def test_one_message_that_cannot_be_told_of_takes_nothing_from_the_others(
    imap_server: ScriptedImap, opened: Open, tells_others: bool
) -> None:
    for _ in range(20):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refusing(7, b"SIZE", tells_others=tells_others))
    with opened() as connection:
        found = fetched(connection, *range(1, 21))
    assert [message.raw for message in found] == [RAW] * 20
    assert [message.uid for message in found if message.received_at is None] == [7]
    assert imap_server.verbs().count("FETCH") < 15


def test_bodies_that_came_before_a_refusal_are_not_asked_for_again(
    imap_server: ScriptedImap, opened: Open
) -> None:
    for _ in range(20):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refusing(7, b"BODY", tells_others=True))
    with opened() as connection:
        found = fetched(connection, *range(1, 21))
    assert [message.uid for message in found if not message.is_whole] == [7]
    assert imap_server.verbs().count("FETCH") < 8


def test_items_that_are_refused_for_all_are_refused(imap_server: ScriptedImap, opened: Open) -> None:
    for _ in range(40):
        imap_server.folder().add(RAW)
    imap_server.on("FETCH", refuse("BAD unknown item"))
    with opened() as connection, pytest.raises(CommandRefusedError):
        connection.fetch_flags(range(1, 41))
    assert imap_server.verbs().count("FETCH") == REFUSALS_OF_ALL


LARGE = RAW + b"x" * (6 * 1024 * 1024)


def at_piece(offset: int, answer: bytes) -> Behaviour:
    """Answer so where the piece from this place on is asked for."""

    def behave(session: Session, command: Command) -> bool:
        return b"PEEK[]<%d." % offset in command.arguments and reply(answer)(session, command)

    return behave


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} OK FETCH completed.\r\n",  # Office 365
        b"* 1 FETCH (UID 1 BODY[] NIL)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[]<3145728> NIL)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[]<0> {4}\r\nFrom)\r\n{tag} OK done\r\n",
        b"* 1 FETCH (UID 1 BODY[] {4}\r\nFrom)\r\n{tag} OK done\r\n",
    ],
)
def test_a_piece_that_does_not_come_is_no_end_of_the_message(
    imap_server: ScriptedImap, opened: Open, answer: bytes
) -> None:
    uid = imap_server.folder().add(LARGE)
    imap_server.on("FETCH", at_piece(3 * 1024 * 1024, answer), times=20)
    with opened() as connection:
        (message,) = fetched(connection, uid)
        assert (message.raw, message.spool) == (None, None)
        assert (message.failure, message.header[:7]) == ("The server sent no content.", b"Subject")
        imap_server.heal()
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert message.spool.content() == LARGE


def test_a_piece_that_comes_with_the_second_try_is_added_to_those_before_it(
    imap_server: ScriptedImap, opened: Open
) -> None:
    uid = imap_server.folder().add(LARGE)
    imap_server.on("FETCH", at_piece(3 * 1024 * 1024, b"{tag} OK FETCH completed.\r\n"), times=5)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert message.spool.content() == LARGE
    assert imap_server.verbs().count("FETCH") < 12


def test_a_piece_that_is_told_with_the_size_that_was_asked_for_is_one(  # hoodiecrow
    imap_server: ScriptedImap, opened: Open
) -> None:
    uid = imap_server.folder().add(LARGE)
    asked = re.compile(rb"BODY\[\]<(\d+)>")
    with opened() as connection:
        imap_server.on("FETCH", for_messages(lambda _, uid, good: asked.sub(rb"BODY[]<\1.1048576>", good)))
        (message,) = fetched(connection, uid)
    assert message.spool is not None
    assert message.spool.content() == LARGE


def test_a_message_that_was_removed_meanwhile_is_not_the_note_that_says_so(  # Courier
    imap_server: ScriptedImap, opened: Open
) -> None:
    folder = imap_server.folder()
    uids = [folder.add(RAW) for _ in range(3)]

    def looks(session: Session, command: Command) -> bool:
        folder.remove(2)
        return False

    note = b"* 2 FETCH (UID 2 BODY[] {%d}\r\n%b)\r\n" % (len(GONE), GONE)
    with opened() as connection:
        imap_server.on("FETCH", for_messages(lambda _, uid, good: note if uid == 2 else good))
        imap_server.on("NOOP", looks)
        found = fetched(connection, *uids)
    assert [(message.uid, message.raw) for message in found] == [(1, RAW), (3, RAW)]


@pytest.mark.parametrize("size", [20, 6 * 1024 * 1024])
def test_a_server_that_sends_everything_for_a_piece_is_believed(  # Exchange
    imap_server: ScriptedImap, opened: Open, size: int
) -> None:
    raw = RAW + b"x" * size
    uid = imap_server.folder().add(raw, claimed_size=7 * 1024 * 1024)
    whole = for_messages(lambda session, uid, good: session.fetch_answer(uid, b"BODY.PEEK[]"))
    imap_server.on("FETCH", whole)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw if size == 20 else message.spool and message.spool.content()) == raw


@pytest.mark.parametrize("claimed", [None, 10])
def test_a_message_over_the_limit_is_told_of_with_its_header(
    imap_server: ScriptedImap, opened: Open, claimed: int | None
) -> None:
    uid = imap_server.folder().add(RAW + b"x" * 3_000_000, claimed_size=claimed)
    with opened(max_message_bytes=1_000_000) as connection:
        (message,) = fetched(connection, uid)
    assert (message.raw, message.is_too_large, message.failure) == (None, True, "")
    assert message.header == RAW.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        "NO [OVERQUOTA] Account exceeded bandwidth limits",
        "NO [OVERQUOTA] Quota exceeded",
        "NO User is over quota",  # of what may be read in a day
        "NO Download quota exceeded",
    ],
)
def test_throttling_is_never_a_messages_fault(imap_server: ScriptedImap, opened: Open, answer: str) -> None:
    uid = imap_server.folder().add(RAW)
    with opened() as connection:
        imap_server.on("FETCH", refuse(answer))
        with pytest.raises(ThrottledError) as caught:
            fetched(connection, uid)
    assert caught.value.retry_after == QUOTA_SECONDS


def test_a_folder_renumbered_while_we_reconnect_is_not_read_on(
    imap_server: ScriptedImap, opened: Open
) -> None:
    folder = imap_server.folder()
    uid = folder.add(RAW)

    def renumber(session: Session, command: Command) -> bool:
        folder.uid_validity += 1
        return behaviours.drop(session, command)

    with opened() as connection:
        imap_server.on("FETCH", renumber, times=1)
        with pytest.raises(UidValidityChangedError):
            fetched(connection, uid)


def test_a_server_that_always_hangs_up_is_given_up(imap_server: ScriptedImap, opened: Open) -> None:
    uids = [imap_server.folder().add(RAW) for _ in range(10)]
    with opened() as connection:
        imap_server.on("FETCH", behaviours.drop)
        with pytest.raises(ConnectionLostError):
            fetched(connection, *uids)
    assert imap_server.connection_count < 20


def test_a_flag_that_no_database_stores_is_none() -> None:
    assert flag_names([b"\\Seen", b"a\0b", None]) == ("\\Seen",)


def test_flags_and_date_come_with_the_message(imap_server: ScriptedImap, opened: Open) -> None:
    date = "01-Feb-2024 23:30:00 -0200"
    uid = imap_server.folder().add(RAW, flags=["\\Seen", "$Work"], date=date)
    with opened() as connection:
        (message,) = fetched(connection, uid)
    assert message.flags == ("\\Seen", "$Work")
    assert message.received_at == datetime(2024, 2, 2, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" 1-Feb-2024 10:00:00 +0000", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        (b"1-Feb-2024 10:00:00 +0000", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        (b"01-feb-2024 10:00:60 +0530", datetime(2024, 2, 1, 4, 30, 59, tzinfo=UTC)),
        (b"00-Jan-0000 00:00:00 +0000", None),
        (b"31-Feb-2024 10:00:00 +0000", None),
        (b"01-Jan-1900 10:00:00 +0000", None),
        (b"01-Jan-9999 10:00:00 +0000", None),
        (b"01-Jan-2024 10:00:00 +2400", None),
        (b"yesterday", None),
        (None, None),
    ],
)
def test_an_impossible_date_is_no_date(text: bytes | None, expected: datetime | None) -> None:
    assert internal_date(text) == expected


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_tokens_either_add_up_or_say_so(parts: list[bytes]) -> None:
    with suppress(ProtocolError):
        tokens(parts)
