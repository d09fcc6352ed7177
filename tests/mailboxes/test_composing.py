"""What we write is what was meant, and nothing that anybody typed becomes a header."""

import email
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.composing import (
    HEADERS,
    File,
    Letter,
    Mailer,
    UnsafeMessageError,
    bounded_references,
    checked_address,
    compose,
)
from mailboxes.parsing import attachment_contents, parse

DATE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def letter(**given):
    standard = {
        "header_id": "1.abc@acme.test",
        "date": DATE,
        "sender": Mailer("Support", "help@acme.test"),
        "to": [Mailer("", "anna@customer.test")],
        "subject": "Your order",
        "text": "Hello\n",
    }
    return Letter(**{**standard, **given})


def test_a_plain_letter_reads_as_people_wrote_it():
    assert compose(letter()).decode() == (
        "From: Support <help@acme.test>\r\n"
        "To: anna@customer.test\r\n"
        "Subject: Your order\r\n"
        "Date: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
        "Message-ID: <1.abc@acme.test>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hello\r\n"
    )


def test_everything_comes_back_from_the_parser():
    raw = compose(
        letter(
            sender=Mailer("Müller, Söhne & Co.", "help@münchen.test"),
            to=[Mailer("Anna", "anna@customer.test"), Mailer('Carl "C" Smith, Jr.', "carl@x.test")],
            cc=[Mailer("日本語", "j@x.test")],
            reply_to=Mailer("Desk", "desk@acme.test"),
            subject="Grüße " * 30 + "=? not encoded ?=",
            text="Grüße\n.\n\nFrom here\n" + "x" * 2000,
            html="<p>Grüße</p>",
            attachments=[File("Räch/nung.pdf", "application/pdf", b"\0\1" * 500), File("", "x", b"")],
            in_reply_to="p@x.test",
            references=["a@x.test", "p@x.test"],
            own_headers=[("Auto-Submitted", "auto-replied")],
        )
    )
    parsed = parse(raw)
    assert parsed.defects == ()
    assert parsed.sender is not None
    assert (parsed.sender.name, parsed.sender.address) == ("Müller, Söhne & Co.", "help@xn--mnchen-3ya.test")
    assert [one.address for one in parsed.to] == ["anna@customer.test", "carl@x.test"]
    assert parsed.to[1].name == 'Carl "C" Smith, Jr.'
    assert (parsed.cc[0].name, parsed.reply_to[0].address) == ("日本語", "desk@acme.test")
    assert parsed.subject == ("Grüße " * 30 + "=? not encoded ?=")[:500]
    assert parsed.text == "Grüße\n.\n\nFrom here\n" + "x" * 2000
    assert parsed.html == "<p>Grüße</p>"
    assert (parsed.in_reply_to, parsed.references) == ("p@x.test", ("a@x.test", "p@x.test"))
    assert parsed.sent_at == DATE
    assert [one.filename for one in parsed.attachments] == ["Räch/nung.pdf", "attachment"]
    assert next(attachment_contents(raw, [parsed.attachments[0].position])) == b"\0\1" * 500


def test_no_line_is_longer_than_a_server_must_take():
    raw = compose(
        letter(
            subject="ä" * 500,
            text="x" * 5_000,
            references=["a" * 900 + "@x"] * 3,
            attachments=[File("名" * 300 + ".txt", "text/plain", b"x" * 5000)],
        )
    )
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "address",
    [
        *("", "anna", "anna@", "@x.test", "a b@x.test", "a@x.test\r\nBcc: b@y.test", "a@x.test>", "a@b@c"),
        *("a@x..test", "a@-x.test", "<a@x.test>", "a,b@x.test", "a\0@x.test", "a@x test", "a@x\u2028.test"),
        *("a" * 65 + "@x.test", "a@" + "x" * 300, '"a b"@x.test'),
    ],
)
def test_what_is_no_address_is_refused_and_not_repaired(address):
    with pytest.raises(UnsafeMessageError):
        checked_address(address)
    with pytest.raises(UnsafeMessageError):
        compose(letter(to=[Mailer("", address)]))


def test_an_address_keeps_its_local_part_and_gets_an_ascii_domain():
    assert checked_address("Änna@MÜNCHEN.test") == "Änna@xn--mnchen-3ya.test"


def test_references_are_the_first_and_the_last():
    ids = [f"{n}@x" for n in range(20)]
    assert bounded_references(ids, "p@x") == ("0@x", *ids[12:], "p@x")
    assert bounded_references(["a@x", "b c@x", "a@x"], "a@x") == ("a@x",)


def test_a_message_is_no_attachment_in_base64():
    raw = compose(letter(attachments=[File("a.eml", "message/rfc822", b"From: x\r\n\r\ny")]))
    assert parse(raw).attachments[0].content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "value"), [("Bcc", "x"), ("Precedence", "a\r\nBcc: x@y"), ("Precedence", "")]
)
def test_only_our_own_headers_can_be_added(name, value):
    with pytest.raises(UnsafeMessageError):
        compose(letter(own_headers=[(name, value)]))


NASTY = st.sampled_from(
    [
        *("\r\nBcc: evil@x.test", "\nBcc: evil@x.test", "\rBcc: evil@x.test", "\r\n\r\nbody", "\u2028Bcc: x"),
        *("=?utf-8?q?a=0d=0aBcc:_x@y.test?=", "=?utf-8?b?DQpCY2M6IHhAeQ==?=", "\x85Bcc: x", "\x0bBcc: x"),
        *("\u202e", "\0", "\ud800", '"', "\\", "<evil@x.test>", ",", ";", ":", "(", "--=_", "\r\n.\r\n"),
    ]
)
TEXT = st.lists(NASTY | st.text(max_size=12), max_size=6).map("".join)


@settings(max_examples=300)
@given(TEXT, TEXT, TEXT, TEXT)
def test_nothing_typed_becomes_a_header_or_a_recipient(name, subject, body, filename):
    raw = compose(
        letter(
            sender=Mailer(name, "help@acme.test"),
            to=[Mailer(name, "anna@customer.test")],
            subject=subject,
            text=body,
            html=body,
            attachments=[File(filename, filename, b"x")],
            in_reply_to=subject,
            references=[subject, body],
        )
    )
    head = raw.split(b"\r\n\r\n", 1)[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    for message in email.message_from_bytes(raw).walk():
        assert set(message.keys()) <= HEADERS
    parsed = parse(raw)
    assert {header for header, _ in parsed.headers} <= HEADERS
    assert [one.address for one in parsed.to] == ["anna@customer.test"]
    assert [one.address for one in parsed.senders] == ["help@acme.test"]
    assert (parsed.cc, parsed.bcc, len(parsed.attachments)) == ((), (), 1)
