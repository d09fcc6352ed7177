"""Letters of every kind that a mailbox gets, each with what must become of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from tenants.database import now

QUESTIONS = (
    "could you tell me when the order that I placed last week will be delivered to our office?",
    "the tent that we bought from you has a broken pole. Which spare part do I have to order?",
    "we would like to have an offer for forty sleeping bags, to be delivered before the summer.",
    "I have paid the invoice twice by mistake. Please send the second amount back to my account.",
)


@dataclass(frozen=True)
class Letter:
    """A message as somebody sends it. ``is_eligible``: it makes a record and is answered, once."""

    kind: str
    raw: bytes
    sender: str
    message_id: str = ""
    is_eligible: bool = False


@dataclass
class Post:
    """What the world writes to one address: the same letters for the same seed."""

    address: str
    seed: int
    _number: int = 0
    _sent: list[Letter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def letters(self, count: int) -> Iterator[Letter]:
        """So many letters, all kinds among them: people, machines, lists, replies, doubtful identities."""
        kinds = [self.question, self.question, self.reply, self.automatic_reply, self.newsletter]
        kinds += [self.namesake, self.copy, self.nameless]
        for number in range(count):
            letter = kinds[number % len(kinds)]()
            self._sent.append(letter)
            yield letter

    def question(self) -> Letter:
        """Somebody new asks something."""
        return self._made("question", is_eligible=True)

    def reply(self) -> Letter:
        """Somebody writes again in a conversation."""
        asked = self._random.choice([one for one in self._sent if one.message_id and one.is_eligible])
        headers = {"In-Reply-To": f"<{asked.message_id}>", "References": f"<{asked.message_id}>"}
        return self._made("reply", sender=asked.sender, headers=headers, subject="Re: A question")

    def automatic_reply(self) -> Letter:
        """Another machine answers."""
        headers = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}
        return self._made("automatic reply", headers=headers, subject="Out of office")

    def newsletter(self) -> Letter:
        """A list writes."""
        headers = {"List-Id": "<news.list.test>", "List-Unsubscribe": "<mailto:off@list.test>"}
        return self._made("newsletter", headers={**headers, "Precedence": "bulk"}, subject="News")

    def namesake(self) -> Letter:
        """Another message with a Message-ID that was used before: a message of its own."""
        first = self._random.choice([one for one in self._sent if one.message_id])
        return self._made("namesake", message_id=first.message_id, is_eligible=True)

    def copy(self) -> Letter:
        """The same bytes once more: the same message."""
        first = self._random.choice(self._sent)
        return Letter("copy", first.raw, first.sender, first.message_id)

    def nameless(self) -> Letter:
        """A message without a Message-ID."""
        return self._made("nameless", message_id="", is_eligible=True)

    def _made(
        self,
        kind: str,
        *,
        sender: str = "",
        message_id: str | None = None,
        headers: dict[str, str] | None = None,
        subject: str = "A question",
        is_eligible: bool = False,
    ) -> Letter:
        self._number += 1
        sender = sender or f"person{self._number}@customer{self._number}.test"
        if message_id is None:
            message_id = f"{self.seed}.{self._number}@customer{self._number}.test"
        message = EmailMessage(policy=policy.SMTP)
        message["From"], message["To"] = f"Person {self._number} <{sender}>", self.address
        message["Subject"] = f"{subject} (no. {self._number})"
        message["Date"] = format_datetime(now())
        if message_id:
            message["Message-ID"] = f"<{message_id}>"
        for name, value in (headers or {}).items():
            message[name] = value
        message.set_content(
            f"Hello,\n\n{self._random.choice(QUESTIONS)}\nMy number is {self._number}.\n\nThank you\n"
        )
        return Letter(kind, message.as_bytes(), sender, message_id, is_eligible)
