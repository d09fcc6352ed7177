"""Files that customers attach, made here: small, real, and readable by any program."""

import math
import struct
import zlib
from datetime import UTC, datetime, timedelta

_PDF_LINE = 20
_TNEF_SIGNATURE = 0x223E9F78
_ATTACH_BEGIN, _ATTACH_TITLE, _ATTACH_DATA = 0x00069002, 0x00018010, 0x0006800F


def attachment(name: str) -> tuple[bytes, str]:
    """The content and the type of a file, by its name."""
    suffix = name.rpartition(".")[2]
    if suffix == "pdf":
        return pdf(name), "application/pdf"
    if suffix == "png":
        return png(seed=sum(name.encode())), "image/png"
    if suffix == "ics":
        return calendar("Call about the dealer conditions").encode(), "text/calendar"
    return b"Size;Number\r\nS;4\r\nM;9\r\nL;5\r\nXL;2\r\n", "text/csv"


def pdf(title: str) -> bytes:
    """One page with its title and a few lines."""
    lines = [title.removesuffix(".pdf").replace("-", " ").capitalize(), "", "Page 1 of 1"]
    rows = "".join(f"({line}) Tj 0 -{_PDF_LINE} Td " for line in lines)
    stream = f"BT /F1 14 Tf 72 770 Td {rows}ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    written, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return written + head + table + trailer % (len(objects) + 1, len(written))


def png(seed: int) -> bytes:
    """A landscape: hills in a few colours under a sky."""
    width, height = 320, 200
    rows = b"".join(b"\x00" + _row(y, width, height, seed) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def calendar(summary: str) -> str:
    """An invitation (RFC 5545) to an hour in a few days."""
    made = datetime.now(UTC).replace(hour=10, minute=0, second=0)
    begin = made + timedelta(days=3)
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Postroom//Demo//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        f"UID:{summary.lower().replace(' ', '-')}@calendar.example",
        f"DTSTAMP:{made:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
        f"DTEND:{begin + timedelta(hours=1):%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{summary}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{line}\r\n" for line in lines)


def winmail(filename: str, content: bytes) -> bytes:
    """What Outlook makes of an attachment: TNEF ([MS-OXTNEF]), usually called winmail.dat."""
    written = struct.pack("<IH", _TNEF_SIGNATURE, 1)
    for kind, data in (
        (_ATTACH_BEGIN, struct.pack("<HIII", 1, 0xFFFFFFFF, 16, 16)),
        (_ATTACH_TITLE, filename.encode() + b"\x00"),
        (_ATTACH_DATA, content),
    ):
        written += struct.pack("<BII", 2, kind, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)
    return written


def _row(y: int, width: int, height: int, seed: int) -> bytes:
    return b"".join(_pixel(x, y, width, height, seed) for x in range(width))


def _pixel(x: int, y: int, width: int, height: int, seed: int) -> bytes:
    for depth, colour in ((0.75, (38, 70, 54)), (0.55, (62, 104, 84)), (0.4, (120, 150, 150))):
        hill = math.sin(x / width * 7 + depth * 9 + seed) * 0.08 + math.sin(x / width * 17 + seed) * 0.03
        if y / height > depth + hill:
            return bytes(colour)
    light = int(60 * y / height)
    return bytes((150 + light, 180 + light, 205 + light // 2))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
