"""Which UIDs there are, and which are gone (reliability F4-F8)."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.errors import (
    AnswerTooLongError,
    ProtocolError,
)
from mailboxes.imap.searching import ranges
from tests.faults.behaviours import refuse, reply
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.imap.speaking import RAW, Open, fetched


@pytest.mark.parametrize("esearch", [False, True])
def test_uids_come_sorted_once_each(imap_server: ScriptedImap, opened: Open, esearch: bool) -> None:
    answer = b"* SEARCH 3 1 2 2\r\n* SEARCH 7\r\n{tag} OK\r\n"
    if esearch:
        imap_server.capabilities += " ESEARCH"
        answer = b'* ESEARCH (TAG "x") UID ALL 1:3,7,2\r\n{tag} OK\r\n'
    imap_server.on("SEARCH", reply(answer))
    with opened() as connection:
        assert list(connection.all_uids()) == [1, 2, 3, 7]


def test_what_is_told_of_another_message_than_asked_for_is_left_out(
    imap_server: ScriptedImap, opened: Open
) -> None:  # F11
    imap_server.on("FETCH", reply(b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n{tag} OK\r\n"))
    with opened() as connection:
        assert connection.fetch_flags([1]) == {}


def test_the_last_message_is_not_new_only_because_the_server_returns_it(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.folder().add(RAW, uid=5)
    with opened() as connection:
        assert list(connection.search_uids(from_uid=9)) == []
        assert list(connection.search_uids(from_uid=0)) == [5]
    assert not any(b"UID 0" in command.arguments for command in imap_server.commands)


@pytest.mark.parametrize(
    "line",
    [
        b"* SEARCH 1 2 x",
        b"* SEARCH " + b"9" * 19,
        b"* SEARCH " + b"9" * 5000,
        b'* ESEARCH (TAG "x") UID ALL 1:*',
        b"* SEARCHING",
    ],
)
def test_an_unreadable_answer_is_never_taken_for_nothing_found(
    imap_server: ScriptedImap, opened: Open, line: bytes
) -> None:
    with opened() as connection:
        imap_server.on("SEARCH", reply(line + b"\r\n{tag} OK\r\n"))
        if b"SEARCHING" in line:
            assert list(connection.all_uids()) == []
            return
        with pytest.raises(ProtocolError):
            connection.all_uids()


def test_nothing_found_in_a_folder_with_messages_is_an_error(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.folder().add(RAW)
    with opened() as connection:
        state = connection.examine(b"INBOX")
        imap_server.on("SEARCH", refuse("OK nothing"))
        with pytest.raises(ProtocolError):
            connection.all_uids(state)


def test_a_search_that_finds_nothing_finds_nothing(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        for line in (b"* SEARCH", b"* SEARCH ", b'* ESEARCH (TAG "x") UID', b"* SEARCH (MODSEQ 12)"):
            imap_server.on("SEARCH", reply(line + b"\r\n{tag} OK\r\n"))
            assert list(connection.search_uids(from_uid=1)) == []


def test_a_compressed_answer_cannot_fill_the_memory(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.capabilities += " ESEARCH"
    imap_server.on("SEARCH", reply(b'* ESEARCH (TAG "x") UID ALL 1:4294967295\r\n{tag} OK\r\n'))
    with opened() as connection, pytest.raises(AnswerTooLongError):
        connection.all_uids()


def test_a_large_folder_is_asked_for_in_ranges(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    for uid in (1, 2, 40_000, 120_000, 5_000_000):
        folder.add(RAW, uid=uid)
    with opened() as connection:
        state = replace(connection.examine(b"INBOX"), exists=1_000_000)
        assert list(connection.all_uids(state)) == [1, 2, 40_000, 120_000, 5_000_000]
    searches = [command.arguments for command in imap_server.commands if command.verb == "SEARCH"]
    assert 3 <= len(searches) < 20
    assert searches[-1].endswith(b":*")


def test_many_that_are_new_are_asked_for_in_ranges(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    for uid in (1, 40_000, 120_000, 600_000):
        folder.add(RAW, uid=uid)
    with opened() as connection:
        assert list(connection.search_uids(40_001, uid_next=600_001)) == [120_000, 600_000]
    first, *_, last = [command.arguments for command in imap_server.commands if command.verb == "SEARCH"]
    assert first.endswith(b"UID 40001:90000")
    assert last.endswith(b":*")


def test_many_that_came_since_a_day_are_asked_for_in_ranges(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    for uid in (1, 40_000, 120_000, 600_000):
        folder.add(RAW, uid=uid)
    with opened() as connection:
        connection.message_count = 1_000_000
        assert list(connection.search_uids(since=date(2026, 11, 20))) == [1, 40_000, 120_000, 600_000]
    searches = [command.arguments for command in imap_server.commands if command.verb == "SEARCH"]
    assert searches[0].endswith(b"UID 1:50000 SINCE 20-Nov-2026")
    assert searches[-1].endswith(b":* SINCE 20-Nov-2026")


@pytest.mark.parametrize("is_counted", [True, False])
def test_where_no_next_uid_is_told_many_are_asked_for_in_ranges_up_to_the_highest(
    imap_server: ScriptedImap, opened: Open, is_counted: bool
) -> None:
    folder = imap_server.folder()
    for uid in (1, 40_000, 120_000, 600_000):
        folder.add(RAW, uid=uid)
    with opened() as connection:
        state = replace(connection.examine(b"INBOX"), uid_next=None, exists=1_000_000 if is_counted else None)
        connection.uid_next, connection.message_count = 0, state.exists or 0
        assert list(connection.search_uids(40_001)) == [120_000, 600_000]
        assert list(connection.search_uids(since=date(2026, 11, 20))) == [1, 40_000, 120_000, 600_000]
        assert list(connection.all_uids(state)) == [1, 40_000, 120_000, 600_000]
        imap_server.on("SEARCH", refuse("BAD what"), times=1)
        assert list(connection.search_uids(40_001)) == [120_000, 600_000]
    searches = [command.arguments for command in imap_server.commands if command.verb == "SEARCH"]
    for first in (b"UID 40001:90000", b"UID 1:50000 SINCE 20-Nov-2026", b"UID 1:50000"):
        at = searches.index(first)
        assert searches[at - 1] == b"UID *"


@given(
    st.integers(min_value=1, max_value=20_000_000),
    st.integers(min_value=0, max_value=50_000),
    st.integers(min_value=1, max_value=20_000_000),
)
@settings(max_examples=50, deadline=None)
def test_ranges_cover_every_uid_exactly_once(uid_next: int, found_each: int, lowest: int) -> None:
    count = iter(range(0, 10**12, found_each + 1))
    found = list(ranges(uid_next, lambda: next(count), lowest))
    assert found[0][0] == lowest
    assert found[-1][1] is None
    for (_, last), (first, _) in pairwise(found):
        assert last is not None
        assert first == last + 1


def test_a_message_that_is_gone_is_left_out(imap_server: ScriptedImap, opened: Open) -> None:
    kept = imap_server.folder().add(RAW)
    with opened() as connection:
        assert [message.uid for message in fetched(connection, 77, kept)] == [kept]


def test_a_message_that_vanishes_before_its_body_is_left_out(imap_server: ScriptedImap, opened: Open) -> None:
    folder = imap_server.folder()
    kept, lost = folder.add(RAW), folder.add(RAW)

    def vanish(session: Session, command: Command) -> bool:
        if b"BODY" in command.arguments:
            folder.messages.pop(lost, None)
        return False

    with opened() as connection:
        imap_server.on("FETCH", vanish)
        assert [message.uid for message in fetched(connection, kept, lost)] == [kept]


def test_an_empty_answer_is_no_proof_that_a_message_is_gone(imap_server: ScriptedImap, opened: Open) -> None:
    uid = imap_server.folder().add(RAW)
    with opened() as connection:
        imap_server.on("FETCH", refuse("OK nothing to say"))
        (message,) = fetched(connection, uid)
    assert message.raw is None
    assert message.failure
