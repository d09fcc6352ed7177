"""Who a message goes to, and its bytes as SMTP carries them."""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.generator import BytesGenerator
from io import BytesIO

from mailboxes.errors import SendingRefusedError, UnsafeArgumentError

LONGEST_ADDRESS = 320

_LINE_END = re.compile(rb"\r\n|\r|\n")
_STARTS_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message is from and to on the wire, apart from its headers. Null sender: ``None``."""

    sender: str | None
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.recipients:
            raise UnsafeArgumentError("The message has no recipient.")
        for address in (*self.recipients, *([self.sender] if self.sender is not None else [])):
            if not address or _UNSAFE.search(address) or len(address) > LONGEST_ADDRESS:
                raise UnsafeArgumentError("An address contains characters that are not permitted.")

    @property
    def needs_utf8(self) -> bool:
        """Whether a local part is beyond ASCII, so that SMTPUTF8 (RFC 6531) is needed."""
        return not all(_local_part(address).isascii() for address in self._addresses)

    @property
    def _addresses(self) -> tuple[str, ...]:
        return self.recipients if self.sender is None else (self.sender, *self.recipients)


def wire_form(data: bytes) -> bytes:
    """CRLF line ends only, dots stuffed, one line end at the end (T10, RFC 5321 §4.5.2)."""
    content = _LINE_END.sub(b"\r\n", data)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return _STARTS_WITH_DOT.sub(b"..", content)


def in_seven_bits(data: bytes) -> bytes:
    """Encode parts down to quoted-printable or base64 for a server without 8BITMIME."""
    output = BytesIO()
    seven = policy.compat32.clone(cte_type="7bit", linesep="\r\n")
    try:
        BytesGenerator(output, mangle_from_=False, policy=seven).flatten(message_from_bytes(data))
        content = output.getvalue()
    except UnicodeEncodeError:  # a part does not say what its bytes are
        content = data
    if not content.isascii():
        text = "The server takes only messages in 7-bit characters."
        raise SendingRefusedError(text, code=554, text=text)
    return content


def on_the_wire(address: str) -> str:
    """The address with its domain in A-labels; the local part belongs to the receiver."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return local + at + domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UnsafeArgumentError("The domain of an address is not possible.") from error


def _local_part(address: str) -> str:
    return address.rpartition("@")[0]
