"""The messages of the demo as bytes: what people, robots and broken programs send."""

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

import yaml

from embedded.sample import sample_text
from embedded.sample.attachments import attachment, calendar, png, winmail

_FULL_LINE = re.compile(r"^([^>\n].{84,})\n(?=[^\n\->*\d])", re.MULTILINE)


@dataclass(frozen=True)
class Letter:
    """One message of the sample files; see the comments at their heads."""

    id: str
    text: str
    subject: str = ""
    mailbox: str = ""
    to: str = ""
    sender: str = ""
    from_us: str = ""
    reply_to: str = ""
    envelope_sender: str | None = None
    answers: str = ""
    age: str = "0m"
    charset: str = "utf-8"
    kind: str = "plain"
    authentication: str = ""
    attachments: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sender_header(self) -> str:
        """Who it is from, as people write it."""
        return f"{self.from_us} <{self.mailbox}>" if self.from_us else self.sender

    @property
    def sender_address(self) -> str:
        """The bare address of whoever it is from."""
        return parseaddr(self.sender_header)[1]

    @property
    def recipient(self) -> str:
        """The address it is delivered to."""
        return parseaddr(self.to or self.mailbox)[1]

    @property
    def message_id(self) -> str:
        """Its Message-ID, the same in every demo."""
        return f"<{self.id}.2026@{self.sender_address.rpartition('@')[2]}>"

    def sent_at(self, now: datetime) -> datetime:
        """When it was written."""
        number, unit = int(self.age[:-1]), self.age[-1]
        return now - timedelta(**{"d": {"days": number}, "m": {"minutes": number}}[unit])


def letters(name: str) -> list[Letter]:
    """The messages of one file, in its order."""
    return [_letter(entry) for entry in yaml.safe_load(sample_text(name))]


def written(letter: Letter, earlier: Iterable[Letter], now: datetime | None = None) -> bytes:
    """A letter as it travels; what it answers is among the ``earlier`` ones."""
    known = {one.id: one for one in earlier}
    if letter.kind == "broken":
        return _broken(letter, now or datetime.now(UTC))
    message = _KINDS[letter.kind](letter)
    _add_headers(message, letter, known, now or datetime.now(UTC))
    return message.as_bytes(policy=policy.SMTP)


def _letter(entry: dict[str, Any]) -> Letter:
    given = dict(entry)
    given["sender"] = given.pop("from", "")
    given["text"] = _flowing(given["text"])
    given["attachments"] = tuple(given.get("attachments", ()))
    return Letter(**given)


def _flowing(text: str) -> str:
    """Each paragraph on one line, as mail programs write it: the files break lines where they are full."""
    return _FULL_LINE.sub(r"\1 ", text)


def _add_headers(message: EmailMessage, letter: Letter, known: Mapping[str, Letter], now: datetime) -> None:
    headers = {
        "From": letter.sender_header,
        "To": letter.to or letter.mailbox,
        "Reply-To": letter.reply_to,
        "Subject": letter.subject or _subject_of_answer(letter, known),
        "Date": format_datetime(letter.sent_at(now)),
        "Message-ID": letter.message_id,
        "Authentication-Results": _authentication(letter),
        **_thread(letter, known),
        **letter.headers,
    }
    for name, value in headers.items():
        if value:
            message[name] = value


def _thread(letter: Letter, known: Mapping[str, Letter]) -> dict[str, str]:
    if not letter.answers:
        return {}
    chain: list[str] = []
    one: Letter | None = known[letter.answers]
    while one is not None:
        chain.insert(0, one.message_id)
        one = known[one.answers] if one.answers else None
    return {"In-Reply-To": chain[-1], "References": " ".join(chain)}


def _subject_of_answer(letter: Letter, known: Mapping[str, Letter]) -> str:
    first = letter
    while first.answers:
        first = known[first.answers]
    return f"Re: {first.subject}"


def _authentication(letter: Letter) -> str:
    """What the receiving server of Nordwind found; the one of Lumen Books writes nothing down."""
    if letter.from_us or not letter.recipient.endswith("@nordwind.example"):
        return ""
    domain = letter.sender_address.rpartition("@")[2]
    passed = f"dmarc=pass header.from={domain}; spf=pass smtp.mailfrom={domain}"
    return f"mx.nordwind.example; {letter.authentication or passed}"


def _plain(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    encoding = "base64" if letter.charset not in {"utf-8", "iso-2022-jp"} else None
    message.set_content(letter.text, charset=letter.charset, cte=encoding)
    _attach(message, letter)
    return message


def _html(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message.set_content(letter.text)
    message.add_alternative(f"<html><body>{_paragraphs(letter.text)}</body></html>", subtype="html")
    _attach(message, letter)
    return message


def _html_with_image(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message.set_content(letter.text)
    picture = '<p><img src="cid:strap@photo" alt="The strap" width="320"></p>'
    message.add_alternative(
        f'<html><body style="font-family: sans-serif">{_paragraphs(letter.text)}{picture}</body></html>',
        subtype="html",
    )
    related = message.get_payload()[1]  # type: ignore[index]  # the parts of an alternative
    related.add_related(png(seed=3), "image", "png", cid="<strap@photo>", filename="strap.png")  # type: ignore[union-attr]
    return message


def _newsletter(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message.set_content(letter.text)
    tracking = '<img src="https://pixel.booksellers-week.example/o.gif?n=47" width="1" height="1" alt="">'
    message.add_alternative(
        "<html><body><table width='100%' bgcolor='#f4efe6'><tr><td><h1>No. 47</h1>"
        f"{_paragraphs(letter.text)}<p><a href='https://booksellers-week.example/47'>Read on</a></p>"
        f"{tracking}</td></tr></table></body></html>",
        subtype="html",
    )
    message["List-Id"] = "The Bookseller's Week <letter.booksellers-week.example>"
    message["List-Unsubscribe"] = "<https://booksellers-week.example/leave?n=47>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Precedence"] = "bulk"
    return message


def _calendar(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message.set_content(letter.text)
    message.add_alternative(calendar(letter.subject), subtype="calendar", params={"method": "REQUEST"})
    content = calendar(letter.subject).encode()
    message.add_attachment(content, maintype="application", subtype="ics", filename="invite.ics")
    return message


def _winmail(letter: Letter) -> EmailMessage:
    message = _plain(letter)
    content = winmail("Arbeitskleidung.csv", b"Groesse;Anzahl\r\nM;5\r\nL;6\r\nXL;3\r\n")
    message.add_attachment(content, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    return message


def _bounce(letter: Letter) -> EmailMessage:
    """A delivery status notification (RFC 3464)."""
    report = message_from_string(_REPORT.format(text=letter.text), policy=policy.default)
    report["Auto-Submitted"] = "auto-replied"
    return report


def _broken(letter: Letter, now: datetime) -> bytes:
    """No charset, raw 8-bit bytes in the subject, a boundary that never ends, base64 with a hole."""
    lines = (
        f"From: {letter.sender}",
        f"To: {letter.to}",
        "Subject: Scan des unterschriebenen Vertrags f\xfcr Lumen",
        f"Date: {format_datetime(letter.sent_at(now))}",
        f"Message-ID: {letter.message_id}",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="----=_Scan"',
        "",
        "------=_Scan",
        "Content-Type: text/plain",
        "",
        "Der Scan h\xe4ngt an.",
        "------=_Scan",
        'Content-Type: application/pdf; name="Vertrag.pdf',
        "Content-Transfer-Encoding: base64",
        "",
        "JVBERi0xLjQKJeLjz9MKMSAwIG9iago8PCAvVHlwZSAvQ2F0YWxvZyA+PgplbmRvYmoK*",
        "c3RhcnR4cmVmCjAKJSVFT0Y",
    )
    return "\r\n".join(lines).encode("latin-1")


def _attach(message: EmailMessage, letter: Letter) -> None:
    for name in letter.attachments:
        content, kind = attachment(name)
        main, _, sub = kind.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)


def _paragraphs(text: str) -> str:
    blocks = text.strip().split("\n\n")
    return "".join(f"<p>{html.escape(block).replace(chr(10), '<br>')}</p>" for block in blocks)


_REPORT = """MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_report"

--=_report
Content-Type: text/plain; charset=us-ascii

{text}
--=_report
Content-Type: message/delivery-status

Reporting-MTA: dns; posteingang.example

Final-Recipient: rfc822; birgit.olsen@posteingang.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user here

--=_report
Content-Type: text/rfc822-headers

From: Kundenservice <support@nordwind.example>
To: birgit.olsen@posteingang.example
Subject: Ihre Reparatur ist fertig
Message-ID: <repair.2026@nordwind.example>

--=_report--
"""
_KINDS: dict[str, Callable[[Letter], EmailMessage]] = {
    "plain": _plain,
    "html": _html,
    "html_with_image": _html_with_image,
    "newsletter": _newsletter,
    "calendar": _calendar,
    "winmail": _winmail,
    "bounce": _bounce,
}
