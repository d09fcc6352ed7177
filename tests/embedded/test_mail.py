"""The embedded mail server: IMAP for several people, SMTP in and out, across restarts."""

import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from embedded.mail.people import MailUser
from embedded.mail.post import deliver
from embedded.mail.server import MailServer

SUPPORT = MailUser("support@north.example", "secret", aliases=("help@north.example",))
SALES = MailUser("sales@south.example", "other")
CUSTOMER = "anna@customer.test"
RAW = (
    b"From: Anna <anna@customer.test>\r\nTo: support@north.example\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  folded\r\nX-Odd:   spaces\t\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nHello\r\n a byte \xff\r\n.\r\n..dots\r\n"
)


@pytest.fixture
def server(folder: Path) -> Iterator[MailServer]:
    with MailServer(folder / "mail", users=[SUPPORT, SALES]) as server:
        yield server


def signed_in(server: MailServer, user: MailUser = SUPPORT) -> IMAPClient:
    client = IMAPClient("127.0.0.1", server.imap_port, ssl=False, timeout=30)
    client.login(user.address, user.password)
    return client


def write(server: MailServer, *recipients: str, sender: str = CUSTOMER) -> None:
    deliver(server.smtp_url, RAW, sender=sender, recipients=list(recipients))


def inbox(server: MailServer, user: MailUser = SUPPORT) -> list[bytes]:
    with signed_in(server, user) as client:
        client.select_folder("INBOX", readonly=True)
        found = client.fetch(client.search("ALL"), ["BODY.PEEK[]"])
    return [found[uid][b"BODY[]"] for uid in sorted(found)]


def test_what_the_world_writes_arrives_byte_for_byte_after_the_trace(server):
    write(server, SUPPORT.address)
    (raw,) = inbox(server)
    assert raw.endswith(RAW)
    assert raw.startswith(b"Return-Path: <anna@customer.test>\r\nDelivered-To: support@north")


@pytest.mark.parametrize(
    "address", ["help@north.example", "support+order-7@north.example", "SUPPORT@North.example"]
)
def test_aliases_and_plus_addresses_lead_to_the_same_mailbox(server, address):
    write(server, address)
    (raw,) = inbox(server)
    assert f"Delivered-To: {address}\r\n".encode() in raw


def test_one_message_to_two_mailboxes_reaches_both(server):
    write(server, SUPPORT.address, SALES.address)
    assert len(inbox(server)) == len(inbox(server, SALES)) == 1


def test_people_see_only_their_own_mail(server):
    write(server, SUPPORT.address)
    assert inbox(server, SALES) == []


def test_an_idling_connection_is_told_of_new_mail(server):
    with signed_in(server) as client:
        client.select_folder("INBOX")
        client.idle()
        write(server, SUPPORT.address)
        told = client.idle_check(timeout=20)
        client.idle_done()
    assert (1, b"EXISTS") in told


def test_mail_that_came_between_select_and_idle_is_told_too(server):
    with signed_in(server) as client:
        client.select_folder("INBOX")
        write(server, SUPPORT.address)
        client.idle()
        # Not idle_check: it watches the socket only, and the line may have come with the "+".
        while client._imap.readline() != b"* 1 EXISTS\r\n":
            pass
        client.idle_done()


def test_a_wrong_password_is_refused_by_imap_and_smtp(server):
    client = IMAPClient("127.0.0.1", server.imap_port, ssl=False, timeout=30)
    with client, pytest.raises(LoginError):
        client.login(SUPPORT.address, "wrong")
    url = f"smtp://support%40north.example:wrong@127.0.0.1:{server.smtp_port}"
    with pytest.raises(smtplib.SMTPAuthenticationError):
        deliver(url, RAW, sender=SUPPORT.address, recipients=[CUSTOMER])


def test_strangers_reach_no_unknown_mailbox_and_nobody_outside(server):
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="no such mailbox"):
        write(server, "nobody@north.example")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="Sign in"):
        write(server, "someone@elsewhere.test")


def test_who_signs_in_writes_to_the_world_and_the_world_keeps_it(server):
    url = f"smtp://support%40north.example:secret@127.0.0.1:{server.smtp_port}"
    deliver(url, RAW, sender=SUPPORT.address, recipients=[CUSTOMER, SALES.address])
    (letter,) = server.customers.received_by("Anna@customer.test")
    assert letter.raw.endswith(RAW)
    assert (letter.sender, letter.recipient) == (SUPPORT.address, CUSTOMER)
    assert server.customers.addresses() == [CUSTOMER]
    assert len(inbox(server, SALES)) == 1


def test_the_usual_folders_are_there(server):
    with signed_in(server) as client:
        names = {name for _, _, name in client.list_folders()}
    assert names == {"INBOX", "Sent", "Drafts", "Trash", "Junk"}


def test_uids_flags_folders_and_bytes_survive_a_restart(server):
    with signed_in(server) as client:
        client.create_folder("Orders/2026.old")
        client.append("Orders/2026.old", RAW, flags=[rb"\Seen"])
        for _ in range(3):
            client.append("INBOX", RAW)
        before = client.select_folder("INBOX")
        client.add_flags([1], rb"\Flagged")
        client.copy([1], "Sent")
        client.move([2], "Trash")
        client.delete_messages([3])
        client.expunge()
    server.stop()
    server.start()
    with signed_in(server) as client:
        after = client.select_folder("INBOX")
        assert after[b"UIDVALIDITY"] == before[b"UIDVALIDITY"]
        assert after[b"UIDNEXT"] == before[b"UIDNEXT"] == 4
        (kept,) = client.fetch([1, 2, 3], ["FLAGS", "BODY.PEEK[]"]).values()
        assert rb"\Flagged" in kept[b"FLAGS"]
        assert kept[b"BODY[]"] == RAW
        for name in ("Sent", "Trash", "Orders/2026.old"):
            client.select_folder(name)
            (elsewhere,) = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
            assert elsewhere[b"BODY[]"] == RAW


def test_a_renamed_folder_keeps_its_mail_over_a_restart(server):
    with signed_in(server) as client:
        client.create_folder("Before")
        client.append("Before", RAW)
        client.rename_folder("Before", "After")
        client.select_folder("After")
        client.add_flags([1], rb"\Seen")
    server.stop()
    server.start()
    with signed_in(server) as client:
        client.select_folder("After")
        assert client.search("SEEN") == [1]


def test_somebody_added_to_the_file_can_sign_in_at_once(server):
    newcomer = MailUser("new@north.example", "fresh")
    server.set_users([SUPPORT, newcomer])
    write(server, newcomer.address)
    assert len(inbox(server, newcomer)) == 1


def test_stopping_closes_both_ports(folder):
    server = MailServer(folder / "mail", users=[SUPPORT])
    server.start()
    server.stop()
    for port in (server.imap_port, server.smtp_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
