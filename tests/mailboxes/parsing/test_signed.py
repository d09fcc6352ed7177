"""Opaque signatures of S/MIME: what is signed is read like any message."""

import base64

import pytest

from mailboxes.classifying import classify
from mailboxes.parsing import attachment_contents, parse
from mailboxes.parsing.signed import signed_content

SIGNED_DATA, DATA, ENVELOPED = (bytes.fromhex(f"06092a864886f70d0107{last}") for last in ("02", "01", "03"))
INNER = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\npdf\r\n--b--\r\n"
)


def element(tag: int, *contents: bytes, is_open: bool = False) -> bytes:
    """An element in BER; an open one has an end mark instead of a length."""
    content = b"".join(contents)
    if is_open:
        return bytes((tag, 0x80)) + content + b"\0\0"
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content


def signature(octets: bytes, *, kind: bytes = SIGNED_DATA, is_open: bool = False) -> bytes:
    """A SignedData without certificates; ``octets``: the element with the content."""
    algorithms = element(0x31, element(0x30, DATA, is_open=is_open), is_open=is_open)
    content = element(0x30, DATA, element(0xA0, octets, is_open=is_open), is_open=is_open)
    signed = element(0x30, element(0x02, b"\1"), algorithms, content, element(0x31), is_open=is_open)
    return element(0x30, kind, element(0xA0, signed, is_open=is_open), is_open=is_open)


PIECES = element(0x24, element(0x04, INNER[:50]), element(0x04, INNER[50:]), is_open=True)


@pytest.mark.parametrize(
    "data",
    [
        signature(element(0x04, INNER)),
        signature(PIECES, is_open=True),
        signature(element(0x24, element(0x04, INNER[:50]), element(0x04, INNER[50:]))),
    ],
)
def test_what_is_signed_is_read(data):
    raw = (
        b"From: Ada <ada@b.test>\r\nSubject: Hi\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data)
    )
    parsed = parse(raw)
    assert (parsed.text, parsed.defects) == ("Grüße", ())
    (file,) = parsed.attachments
    assert (file.filename, list(attachment_contents(raw, [file.position]))) == ("a.pdf", [b"pdf"])
    assert not classify(parsed, raw).facts["is_encrypted_only"]


def test_a_position_that_was_stored_before_signatures_were_opened_names_the_same_part():
    data = signature(element(0x04, INNER))
    raw = (
        b"From: Ada <ada@b.test>\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
        b"--m\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
        b"--m\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data) + b"\r\n"
        b"--m\r\nContent-Type: application/pdf; name=b.pdf\r\n\r\nanother\r\n--m--\r\n"
    )
    parsed = parse(raw)
    assert parsed.text.split() == ["See", "below.", "Grüße"]
    assert [(one.position, one.filename) for one in parsed.attachments] == [(2, "b.pdf"), (4, "a.pdf")]
    assert list(attachment_contents(raw, [1, 2, 4])) == [data, b"another", b"pdf"]


def test_what_is_encrypted_stays_a_file():
    data = signature(element(0x04, INNER), kind=ENVELOPED)
    raw = (
        b"From: Ada <ada@b.test>\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data)
    )
    parsed = parse(raw)
    assert (parsed.text, [one.filename for one in parsed.attachments]) == ("", ["smime.p7m"])
    assert classify(parsed, raw).facts["is_encrypted_only"]


def test_no_broken_signature_ends_badly():
    whole = signature(PIECES, is_open=True)
    for cut in range(len(whole)):
        content = signed_content(whole[:cut])
        assert content is None or INNER.startswith(content)
    for place in range(80):
        broken = whole[:place] + b"\xff" + whole[place + 1 :]
        signed_content(broken)
    assert signed_content(b"\x30\x80" * 10_000) is None
