"""The list of folders, whatever a server says it contains (reliability F36-F38)."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailboxes.errors import (
    FolderUnavailableError,
)
from mailboxes.imap import FolderListing
from mailboxes.imap.fetching import details_of, fetched_items
from mailboxes.imap.folders import listings, raw_name, shown_name
from tests.faults.behaviours import refuse, reply
from tests.faults.imap_server import Command, ScriptedImap, Session
from tests.mailboxes.imap.speaking import Open


def names(*lines: bytes) -> dict[str, FolderListing]:
    return {folder.name: folder for folder in listings([[line] for line in lines])}


def test_broken_lines_do_not_spoil_the_list(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.list_lines = [
        rb'* LIST (\HasNoChildren) "/" "INBOX"',
        b'* LIST () "/" "&broken"',
        b'* LIST () "/" "caf\xe9"',
        '* LIST () "/" "café"'.encode(),
        b'* LIST () "/" "a \\"quoted\\" \\\\ name"',
        b'* LIST () "/" {5}\r\n{5}ab',
        b"* LIST () NIL plain",
        b'* LIST () "/" NIL',
        b'* LIST () "/" ""',
        b"* LIST",
        b"* LIST (\\Noselect",
        b'* LIST (\\Noselect) "/" "shown only"',
        b'* LIST () "/" "tab\there"',
        b'* LIST () "/" "' + b"x" * 1000 + b'"',
        b'* LIST () "/" "' + b"x" * 3000 + b'"',
        rb'* LIST () "\\" "back\\slash"',
        b'* LIST () "/" "INBOX"',
        b'* LIST () "/" 12345',
    ]
    with opened() as connection:
        folders = {folder.name_raw: folder for folder in connection.folders()}
    assert folders[b"INBOX"].special_use == "inbox"
    assert folders[b"&broken"].name == "&broken"
    assert folders[b"caf\xe9"].name == "café"
    assert folders["café".encode()].name == "café"
    assert b'a "quoted" \\ name' in folders
    assert b"{5}ab" in folders
    assert folders[b"plain"].delimiter is None
    assert folders[b"back\\slash"].path == ("back", "slash")
    assert not folders[b"shown only"].is_selectable
    assert b"12345" in folders
    assert b"" not in folders
    assert b"x" * 3000 not in folders  # no index takes it
    assert len(folders[b"x" * 1000].name) <= 500


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("Gesendete Objekte", "sent"),
        ("Postausgang", None),
        ("Outgoing", None),
        ("Todos", None),
        ("Éléments envoyés", "sent"),
        ("INBOX/Отправленные", "sent"),
        ("[Gmail]/Alle Nachrichten", "all"),
        ("送信済みアイテム", "sent"),
        ("Papierkorb", "trash"),
        ("Correo no deseado", "junk"),
        ("Kladder", "drafts"),
        ("Customers/Sent", None),
        ("Sentimental", None),
    ],
)
def test_a_folders_use_is_known_by_name_in_many_languages(name: str, use: str | None) -> None:
    raw = raw_name(name)
    (folder,) = listings([[b'* LIST () "/" "' + raw + b'"']])
    assert (folder.name, folder.special_use) == (name, use)


def test_attributes_win_over_names() -> None:
    folders = names(b'* LIST () "/" "Sent"', rb'* LIST (\Sent) "/" "Outbox 2"')
    assert folders["Outbox 2"].special_use == "sent"
    assert folders["Sent"].special_use is None


def test_numbers_of_all_folders_come_at_once_where_the_server_can_but_of_the_open_one(
    imap_server: ScriptedImap, opened: Open
) -> None:
    answer = (
        b'* LIST () "/" "a (b)"\r\n* STATUS "a (b)" (MESSAGES 12 UNSEEN 3 UIDNEXT 99 UIDVALIDITY 7)\r\n'
        b"* STATUS inbox (MESSAGES 1 UIDVALIDITY 1)\r\n* STATUS {3}\r\nlit (MESSAGES 2)\r\n{tag} OK\r\n"
    )
    imap_server.on("LIST", reply(answer))
    imap_server.folder("Other")
    with opened() as connection:
        assert connection.statuses() == {}
        connection.capabilities |= {"LIST-STATUS"}
        assert connection.statuses().keys() == {b"a (b)", b"lit"}
        connection.examine(b"Other")
        told = connection.statuses()
    assert {name: status.messages for name, status in told.items()} == {b"a (b)": 12, b"INBOX": 1, b"lit": 2}
    assert (told[b"a (b)"].uid_next, told[b"a (b)"].uid_validity, told[b"a (b)"].unseen) == (99, 7, 3)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_name_survives_the_way_to_the_server_and_back(name: str) -> None:
    shown = shown_name(raw_name(name)) if all(not 0xD800 <= ord(c) < 0xE000 for c in name) else ""
    assert shown == "" or len(shown) == len(name)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_name_breaks_the_list(name: bytes) -> None:
    line = b'* LIST () "/" ' + name.replace(b"\r", b"").replace(b"\n", b"")
    good = b'* LIST () "/" "good"'
    assert "good" in {folder.name for folder in listings([[line], [good]])}


def test_a_server_that_promised_an_extended_list_is_asked_plainly(
    imap_server: ScriptedImap, opened: Open
) -> None:
    imap_server.capabilities += " LIST-EXTENDED SPECIAL-USE LIST-STATUS"

    def stumble(session: Session, command: Command) -> bool:
        return b"RETURN" in command.arguments and refuse("BAD what")(session, command)

    imap_server.on("LIST", stumble)
    with opened() as connection:
        assert [folder.name for folder in connection.folders()] == ["INBOX"]
        assert connection.statuses() == {}
        assert "LIST-STATUS" not in connection.capabilities


def test_a_folder_that_is_gone_says_so(opened: Open) -> None:
    with opened() as connection:
        with pytest.raises(FolderUnavailableError):
            connection.examine(b"gone")
        with pytest.raises(FolderUnavailableError):
            connection.status(b"gone")
        assert connection.examine(b"INBOX").exists == 0


def test_nonsense_in_the_state_of_a_folder_is_no_number(imap_server: ScriptedImap, opened: Open) -> None:
    with opened() as connection:
        imap_server.on(
            "EXAMINE",
            reply(
                b"* 0 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\n* OK [UIDNEXT 99999999999999999999999] x\r\n"
                b"* OK [HIGHESTMODSEQ -1] x\r\n{tag} OK\r\n"
            ),
        )
        state = connection.examine(b"INBOX")
    assert (state.uid_validity, state.uid_next, state.highest_mod_seq) == (None, None, None)


@pytest.mark.parametrize(("told", "number"), [(2**32, 2**32), (2**63 - 1, 2**63 - 1), (2**63, None)])
def test_a_long_uidvalidity_is_one(
    imap_server: ScriptedImap, opened: Open, told: int, number: int | None
) -> None:
    imap_server.folder().uid_validity = told
    with opened() as connection:
        assert connection.examine(b"INBOX").uid_validity == number


@pytest.mark.parametrize(("told", "number"), [(2**63 - 1, 2**63 - 1), (2**63, None), (10**19, None)])
def test_a_number_that_no_database_stores_is_none(told: int, number: int | None) -> None:
    answer = [b"* 1 FETCH (UID 7 RFC822.SIZE %d)" % told]
    assert details_of(7, fetched_items(answer) or {}).size == (-1 if number is None else number)


@given(
    flags=st.lists(
        st.one_of(st.sampled_from(["NIL", "nil"]), st.from_regex(r"[\\\\$A-Za-z0-9_]{1,9}", fullmatch=True))
    ),
    date=st.text("0123456789-: JanFeb+", max_size=45),
    size=st.integers(min_value=0, max_value=10**20),
)
@example(flags=["NIL"], date="", size=0)
def test_an_answer_in_the_usual_form_says_the_same_as_in_another(
    flags: list[str], date: str, size: int
) -> None:
    items = b'FLAGS (%s) INTERNALDATE "%s" RFC822.SIZE %d)' % (" ".join(flags).encode(), date.encode(), size)
    for usual, other in (
        ([b"* 1 FETCH (UID 7 " + items], [b"* 1 FETCH (UID 7  " + items]),
        ([b"* 1 FETCH (UID 7 BODY[] {2}", b"ab", b")"], [b"* 1 FETCH (UID 7  BODY[] {2}", b"ab", b")"]),
    ):
        assert fetched_items(usual) == fetched_items(other)


def test_a_server_that_lies_about_condstore_is_asked_without(imap_server: ScriptedImap, opened: Open) -> None:
    imap_server.capabilities += " CONDSTORE"

    def stumble(session: Session, command: Command) -> bool:
        return b"CONDSTORE" in command.arguments and refuse("BAD what")(session, command)

    imap_server.on("EXAMINE", stumble)
    with opened() as connection:
        assert connection.examine(b"INBOX").uid_validity == 1
