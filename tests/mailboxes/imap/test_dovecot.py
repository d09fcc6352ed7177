"""The IMAP speaker and a real server."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mailboxes.egress import EgressPolicy
from mailboxes.errors import (
    AuthenticationFailedError,
    FolderUnavailableError,
    UidValidityChangedError,
    UnknownAuthorityError,
)
from mailboxes.imap import Encryption, ImapConnection, ImapSettings, raw_name
from tests.certificates import Certificates
from tests.dovecot import Dovecot, start_dovecot
from tests.mailboxes.reaching import imap_of

pytestmark = pytest.mark.dovecot


def message(number: int, size: int = 0) -> bytes:
    return b"Subject: number %d\r\n\r\nHello\r\n" % number + (b"x" * 76 + b"\r\n") * (size // 78)


@pytest.fixture
def account(dovecot: Dovecot, certificates: Certificates) -> ImapSettings:
    return imap_of(dovecot, dovecot.new_user(), certificates)


@contextmanager
def opened(account: ImapSettings, policy: EgressPolicy, **changes: Any) -> Iterator[ImapConnection]:
    with ImapConnection(replace(account, **changes), policy) as connection:
        yield connection


def test_messages_come_whole_with_flags_and_date(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    when = '"20-Nov-2026 10:00:00 +0100"'
    uid = dovecot.append(account.user, "INBOX", message(1), r"(\Seen)", when)
    with opened(account, loopback) as connection:
        state = connection.examine(b"INBOX")
        (fetched,) = connection.fetch_messages(list(connection.all_uids(state)))
    assert (state.exists, state.uid_next) == (1, uid + 1)
    assert state.highest_mod_seq
    assert fetched.raw == message(1)
    assert r"\Seen" in fetched.flags
    assert fetched.received_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_a_message_is_known_to_be_there_by_its_id(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    dovecot.append(account.user, "INBOX", b"Message-ID: <a.b+1@acme.test>\r\n" + message(1))
    long_ago = '"20-Nov-2016 10:00:00 +0100"'
    dovecot.append(account.user, "INBOX", b"Message-ID: <old@acme.test>\r\n" + message(2), "", long_ago)
    since = datetime.now(UTC).date() - timedelta(days=2)
    with opened(account, loopback) as connection:
        ids = ("a.b+1@acme.test", "b+1@acme.test", "old@acme.test", "none@acme.test")
        found = [connection.has_message(b"INBOX", id, since) for id in ids]
    assert found == [True, False, False, False]


def test_many_messages_of_many_sizes_come_in_the_order_asked_for(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    sizes = [0, 100, 300_000, 6_000_000, 5_242_000, 0, 2_000_000, 0]
    sent = {
        dovecot.append(account.user, "INBOX", message(number, size)): message(number, size)
        for number, size in enumerate(sizes)
    }
    with opened(account, loopback) as connection:
        connection.examine(b"INBOX")
        newest_first = sorted(sent, reverse=True)
        fetched = list(connection.fetch_messages(newest_first))
    assert [found.uid for found in fetched] == newest_first
    contents = {found.uid: found.spool.content() if found.spool else found.raw for found in fetched}
    assert contents == sent


def test_a_message_over_the_limit_stays_on_the_server(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    uid = dovecot.append(account.user, "INBOX", message(7, 60_000))
    with opened(account, loopback, max_message_bytes=50_000) as connection:
        connection.examine(b"INBOX")
        (found,) = connection.fetch_messages([uid])
    assert (found.raw, found.is_too_large, found.header) == (None, True, b"Subject: number 7\r\n\r\n")


def test_reading_changes_nothing_on_the_server(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    uid = dovecot.append(account.user, "INBOX", message(1))
    with opened(account, loopback) as connection:
        connection.examine(b"INBOX")
        list(connection.fetch_messages([uid]))
        assert r"\Seen" not in connection.fetch_flags([uid])[uid]
        assert connection.status(b"INBOX").unseen == 1
    with dovecot.session(account.user) as session:
        session.select()
        assert session.search(None, "RECENT")[1] == [b"1"]


@pytest.mark.parametrize("encryption", ["starttls", "none"])
def test_the_plain_port_serves_starttls_and_no_encryption(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy, encryption: Encryption
) -> None:
    with opened(account, loopback, port=dovecot.port, encryption=encryption) as connection:
        assert "UIDPLUS" in connection.capabilities
        assert (connection.certificate is not None) == (encryption == "starttls")


def test_a_wrong_password_is_told(account: ImapSettings, loopback: EgressPolicy) -> None:
    with pytest.raises(AuthenticationFailedError):
        ImapConnection(replace(account, password="wrong"), loopback).open()


def test_an_authority_that_nobody_named_is_not_trusted(account: ImapSettings, loopback: EgressPolicy) -> None:
    with pytest.raises(UnknownAuthorityError):
        ImapConnection(replace(account, ca_file=None), loopback).open()


def test_folders_come_with_uses_names_and_counts(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    for name in ("Kundenpost/Ärger & Söhne", 'quo"ted', "back\\slash"):
        escaped = raw_name(name).decode().replace("\\", "\\\\").replace('"', '\\"')
        dovecot.append(account.user, escaped, message(1))
    with opened(account, loopback) as connection:
        folders = {folder.name: folder for folder in connection.folders()}
        told = connection.statuses()
        for folder in folders.values():
            if folder.is_selectable:
                connection.examine(folder.name_raw)
    assert folders["INBOX"].special_use == "inbox"
    assert folders["Sent"].special_use == "sent"
    assert folders["Trash"].special_use == "trash"
    assert folders["Kundenpost/Ärger & Söhne"].path == ("Kundenpost", "Ärger & Söhne")
    assert told[folders["Kundenpost/Ärger & Söhne"].name_raw].messages == 1
    assert folders['quo"ted'].is_selectable


def test_another_separator_and_a_prefix_are_data(certificates: Certificates, loopback: EgressPolicy) -> None:
    with start_dovecot(certificates.good, {"separator": ".", "prefix": "INBOX."}) as server:
        account = ImapSettings("localhost", server.port, "none", server.new_user(), server.password)
        server.append(account.user, "INBOX.A.B", message(1))
        with opened(account, loopback) as connection:
            folders = {folder.name: folder for folder in connection.folders()}
            assert folders["INBOX.A.B"].path == ("INBOX", "A", "B")
            assert folders["INBOX.Sent"].special_use == "sent"
            assert connection.examine(folders["INBOX.A.B"].name_raw).exists == 1


def test_new_messages_are_found_from_a_uid_on(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    uids = [dovecot.append(account.user, "INBOX", message(number)) for number in range(5)]
    old = dovecot.append(account.user, "INBOX", message(9), "", '"01-Jan-2020 00:00:00 +0000"')
    with opened(account, loopback) as connection:
        connection.examine(b"INBOX")
        assert list(connection.search_uids(from_uid=uids[3])) == [*uids[3:], old]
        assert list(connection.search_uids(from_uid=old + 1)) == []
        assert list(connection.search_uids(since=date(2025, 1, 1))) == uids
        assert list(connection.search_uids(from_uid=uids[4], since=date(2025, 1, 1))) == [uids[4]]


def test_changes_since_a_mod_seq_are_told(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    first, second = (dovecot.append(account.user, "INBOX", message(number)) for number in range(2))
    with opened(account, loopback) as connection:
        mod_seq = connection.examine(b"INBOX").highest_mod_seq
        assert mod_seq
        assert connection.changed_since(mod_seq).flags == {}
        with dovecot.session(account.user) as session:
            session.select()
            session.uid("STORE", str(second), "+FLAGS", r"(\Flagged)")
        connection.run(b"NOOP")
        changed = connection.changed_since(mod_seq)
    assert {uid: r"\Flagged" in flags for uid, flags in changed.flags.items()} == {second: True}
    assert first != second


def test_seen_is_mirrored_both_ways(dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy) -> None:
    uid = dovecot.append(account.user, "INBOX", message(1))
    with opened(account, loopback) as connection:
        validity = connection.examine(b"INBOX").uid_validity
        connection.add_seen(b"INBOX", [uid], validity)
        assert r"\Seen" in connection.fetch_flags([uid])[uid]
        connection.remove_seen(b"INBOX", [uid], validity)
        assert r"\Seen" not in connection.fetch_flags([uid])[uid]


def test_a_sent_copy_is_filed_whole_with_flag_and_date(account: ImapSettings, loopback: EgressPolicy) -> None:
    when = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    with opened(account, loopback) as connection:
        uid = connection.append(b"Sent", message(1, 200_000), [r"\Seen"], when)
        assert uid
        connection.examine(b"Sent")
        (found,) = connection.fetch_messages([uid])
    assert (found.raw, found.received_at) == (message(1, 200_000), when)
    assert r"\Seen" in found.flags


def test_a_missing_folder_says_so(account: ImapSettings, loopback: EgressPolicy) -> None:
    with opened(account, loopback) as connection:
        for attempt in (connection.examine, connection.status):
            with pytest.raises(FolderUnavailableError):
                attempt(b"Nowhere")
        assert connection.is_open


def test_a_renumbered_folder_is_noticed(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    uid = dovecot.append(account.user, "INBOX", message(1))
    with opened(account, loopback) as connection:
        before = connection.examine(b"INBOX").uid_validity
    dovecot.doveadm("mailbox", "update", "-u", account.user, "--uid-validity", "12345", "INBOX")
    with opened(account, loopback) as connection:
        assert connection.examine(b"INBOX").uid_validity == 12345 != before
        with pytest.raises(UidValidityChangedError):
            connection.add_seen(b"INBOX", [uid], before)


def test_an_expunged_message_is_left_out(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    uids = [dovecot.append(account.user, "INBOX", message(number)) for number in range(3)]
    dovecot.doveadm("expunge", "-u", account.user, "mailbox", "INBOX", "uid", str(uids[1]))
    with opened(account, loopback) as connection:
        connection.examine(b"INBOX")
        assert [found.uid for found in connection.fetch_messages(uids)] == [uids[0], uids[2]]


def test_idle_tells_of_a_new_message(dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy) -> None:
    with opened(account, loopback) as connection:
        connection.examine(b"INBOX")
        connection.idle_start()
        dovecot.append(account.user, "INBOX", message(1))
        told: list[str] = []
        while "EXISTS" not in told:
            assert select.select([connection.fileno()], [], [], 20)[0]
            told += connection.idle_poll()
        connection.idle_done()
        assert len(connection.all_uids()) == 1


def test_a_large_folder_is_listed_whole(
    dovecot: Dovecot, account: ImapSettings, loopback: EgressPolicy
) -> None:
    with dovecot.session(account.user) as session:
        for number in range(120):
            session.append("INBOX", "", "", message(number))
    with opened(account, loopback) as connection:
        state = connection.examine(b"INBOX")
        uids = list(connection.all_uids(state))
        assert uids == list(connection.all_uids(replace(state, exists=10**6))) == list(range(1, 121))
        assert len(connection.fetch_details(uids)) == 120
        assert len(list(connection.fetch_messages(uids))) == 120
