"""Files in a winmail.dat are attachments of their own."""

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.parsing import attachment_contents, parse
from mailboxes.parsing.tnef import files_of


def attribute(level: int, kind: int, content: bytes) -> bytes:
    checksum = struct.pack("<H", sum(content) % 65536)
    return struct.pack("<BII", level, kind, len(content)) + content + checksum


def properties(*given: bytes) -> bytes:
    return struct.pack("<I", len(given)) + b"".join(given)


def one_property(kind: int, name: int, content: bytes, called: bytes = b"") -> bytes:
    value = struct.pack("<II", 1, len(content)) + content + b"\0" * (-len(content) % 4)
    return struct.pack("<HH", kind, name) + called + value


def file(title: bytes, content: bytes, *described: bytes) -> bytes:
    return (
        attribute(2, 0x00069002, b"\1\0\xff\xff\xff\xff\x20\0\x20\0\0\0\0\0")
        + attribute(2, 0x00018010, title + b"\0")
        + attribute(2, 0x0006800F, content)
        + (attribute(2, 0x00069005, properties(*described)) if described else b"")
    )


LONG_NAME = one_property(0x1F, 0x3707, "Größe – alle Maße.pdf\0".encode("utf-16-le"))
CALLED = one_property(0x1F, 0x8001, b"x\0", called=b"\0" * 16 + struct.pack("<II", 1, 6) + b"a\0b\0c\0\0\0")
NUMBERS = struct.pack("<HHI", 3, 0x0E20, 5) + struct.pack("<HHIII", 0x1003, 0x0E21, 2, 7, 8)
PACKAGE = (
    b"\x78\x9f\x3e\x22\x01\0"
    + attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    + file(b"GR\xd6SSE~1.PDF", b"%PDF-1.4", NUMBERS[:8], NUMBERS[8:], CALLED, LONG_NAME)
    + file(b"b\xfccher.png", b"PNG")
)


def message(package: bytes, kind: bytes = b"application/ms-tnef") -> bytes:
    return (
        b"From: a@x.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee below.\n--b\n"
        b"Content-Type: "
        + kind
        + b"; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(package)
        + b"\n--b\nContent-Type: text/plain; name=n.txt\nContent-Disposition: attachment\n\nnotes\n--b--\n"
    )


def test_files_in_a_winmail_dat_are_attachments_behind_all_others() -> None:
    raw = message(PACKAGE)
    parsed = parse(raw)
    named = [(one.filename, one.content_type) for one in parsed.attachments]
    assert named == [
        ("winmail.dat", "application/ms-tnef"),
        ("n.txt", "text/plain"),
        ("Größe – alle Maße.pdf", "application/pdf"),
        ("bücher.png", "image/png"),
    ]
    assert parsed.text == "See below."
    places = [one.position for one in parsed.attachments]
    assert list(attachment_contents(raw, places))[2:] == [b"%PDF-1.4", b"PNG"]


def test_a_winmail_dat_that_only_its_name_tells_is_opened() -> None:
    parsed = parse(message(PACKAGE, b"application/octet-stream"))
    names = [one.filename for one in parsed.attachments]
    assert names == ["winmail.dat", "n.txt", "Größe – alle Maße.pdf", "bücher.png"]


def test_the_first_properties_of_a_file_are_its_own() -> None:
    others = [one_property(0x1F, 0x3707, f"{n}.txt\0".encode("utf-16-le")) for n in range(3)]
    package = PACKAGE + b"".join(attribute(2, 0x00069005, properties(one)) for one in others)
    assert [one.name for one in files_of(package)] == ["Größe – alle Maße.pdf", "0.txt"]


@pytest.mark.parametrize(
    "package", [b"", PACKAGE[:6], b"no TNEF at all", PACKAGE.replace(b"\x78", b"\x79", 1)]
)
def test_what_is_none_stays_one_file(package: bytes) -> None:
    assert [one.filename for one in parse(message(package)).attachments] == ["winmail.dat", "n.txt"]


def test_a_package_cut_anywhere_gives_what_is_whole() -> None:
    for length in range(len(PACKAGE)):
        assert len(files_of(PACKAGE[:length])) <= 2
    assert len(files_of(PACKAGE[: PACKAGE.index(b"PNG")])) == 1


@given(st.lists(st.integers(0, len(PACKAGE) - 1), max_size=8), st.binary(min_size=8, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_damage_is_survived(places: list[int], values: bytes) -> None:
    damaged = bytearray(PACKAGE)
    for place, value in zip(places, values, strict=False):
        damaged[place] = value
    for found in files_of(bytes(damaged)):
        assert 0 <= found.start <= found.end <= len(damaged)
