"""Messages like those of a real mailbox: mostly short, some HTML, few large; the same for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

BEGINNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
SUBJECTS = (
    "Delivery of order",
    "Question about invoice",
    "Offer for",
    "Broken part of",
    "Return of",
    "Visit on",
)
SENTENCES = (
    "We ordered this some weeks ago and have not heard from you since.",
    "Could you please tell us when it will be delivered to our office?",
    "The price on the invoice is not the one that we agreed upon.",
    "Please find the signed contract and the photographs attached.",
    "One of the parts was broken when we opened the box yesterday.",
    "My colleague will call you tomorrow morning to talk about the details.",
    "Wir haben die Ware erhalten, aber die Rechnung fehlt noch.",
    "Pourriez-vous nous envoyer une offre pour quarante pièces ?",
    "Thank you for the quick answer, that helped us a lot.",
)
# How many of a hundred are of each kind; the mean size is about 20 KB.
KINDS = {"short": 55, "alternative": 25, "attachment": 10, "newsletter": 6, "foreign": 4}


@dataclass
class Author:
    """Writes messages to one address; two of three answer an earlier one."""

    address: str
    seed: int = 1
    _asked: list[tuple[str, str]] = field(default_factory=list)  # Message-ID and subject
    _number: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._noise = self._random.randbytes(1 << 20)

    def messages(self, count: int) -> Iterator[bytes]:
        """So many messages, oldest first."""
        kinds = self._random.choices(list(KINDS), weights=list(KINDS.values()), k=count)
        for kind in kinds:
            yield self._message(kind)

    def question(self) -> tuple[str, bytes]:
        """A short message of somebody new, who may be answered; with its subject, which is unique."""
        message = self._envelope(f"{self._random.choice(SUBJECTS)} {self._number + 1}-{self.seed}")
        message.set_content(f"Hello,\n\n{self._paragraph(3)}\n\nNumber {self._number}\n")
        return str(message["Subject"]), message.as_bytes()

    def _message(self, kind: str) -> bytes:
        message = self._reply() if self._asked and self._random.random() < 2 / 3 else self._new()
        if kind == "foreign":
            message.set_content(f"{self._paragraph(4)}\nZürich, schöne Grüße\n", charset="iso-8859-15")
            return message.as_bytes()
        message.set_content("\n\n".join(self._paragraph(4) for _ in range(self._random.randint(1, 6))))
        if kind in ("alternative", "newsletter"):
            message.add_alternative(self._page(40 if kind == "newsletter" else 8), subtype="html")
        if kind == "newsletter":
            message["List-Id"] = "<news.list.test>"
            message["Precedence"] = "bulk"
        if kind == "attachment":
            size = self._random.randint(20_000, 300_000)
            start = self._random.randrange(len(self._noise) - size)
            message.add_attachment(
                self._noise[start : start + size],
                "application",
                "pdf",
                filename=f"contract {self._number}.pdf",
            )
        return message.as_bytes()

    def _new(self) -> EmailMessage:
        subject = f"{self._random.choice(SUBJECTS)} {self._random.randint(1000, 9999)}"
        return self._envelope(subject)

    def _reply(self) -> EmailMessage:
        asked, subject = self._random.choice(self._asked[-500:])
        message = self._envelope(f"Re: {subject}")
        message["In-Reply-To"] = message["References"] = f"<{asked}>"
        return message

    def _envelope(self, subject: str) -> EmailMessage:
        self._number += 1
        person = f"person{self._number}@customer{self._number}.test"
        message = EmailMessage(policy=policy.SMTP)
        message["From"], message["To"] = f"Person {self._number} <{person}>", self.address
        message["Subject"] = subject
        message["Date"] = format_datetime(BEGINNING + timedelta(minutes=self._number))
        header_id = f"{self.seed}.{self._number}@customer{self._number}.test"
        message["Message-ID"] = f"<{header_id}>"
        message["Received"] = f"from mx.customer{self._number}.test by mx.acme.test with ESMTPS"
        message["User-Agent"] = "A mailer of some kind 4.2"
        self._asked.append((header_id, subject.removeprefix("Re: ")))
        return message

    def _paragraph(self, sentences: int) -> str:
        return " ".join(self._random.choices(SENTENCES, k=sentences))

    def _page(self, paragraphs: int) -> str:
        rows = "".join(
            f'<tr><td style="padding:4px;font-family:Arial">{self._paragraph(3)}</td></tr>'
            for _ in range(paragraphs)
        )
        return f'<html><body><table width="600">{rows}</table></body></html>'
