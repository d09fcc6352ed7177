"""Reads Mozilla's autoconfig format, as servers publish it for mail programs.

The document comes from a stranger: no DTD and so no entity, bounded depth and number of elements, and
every value is checked before it is believed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from mailboxes.discovery.values import Proposal, Server
from mailboxes.egress import canonical_host
from mailboxes.errors import EgressRefusedError

DEEPEST = 12
MOST_ELEMENTS = 500
LONGEST_TEXT = 2_000
ENCRYPTIONS = {"SSL": "tls", "STARTTLS": "starttls"}  # plain text is proposed to nobody


class UnreadableConfigError(ValueError):
    """Not a document that we read."""


@dataclass(slots=True)
class Element:
    """A piece of the document."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def named(self, name: str) -> Iterator["Element"]:
        """Its children of a name."""
        return (child for child in self.children if child.name == name)

    def text_of(self, name: str) -> str:
        """The text of the first child of a name."""
        return next((child.text.strip() for child in self.named(name)), "")


def read_config(document: bytes, address: str, origin: str) -> Proposal | None:
    """The proposal of a document, None if it holds none; `UnreadableConfigError` if it is none of ours."""
    root = parsed(document)
    for provider in root.named("emailProvider"):
        imap = _server(provider, "incomingServer", "imap")
        smtp = _server(provider, "outgoingServer", "smtp")
        first = imap or smtp
        if first is not None:
            user = _filled(first[1], address)
            return Proposal(origin, user, imap[0] if imap else None, smtp[0] if smtp else None)
    return None


def parsed(document: bytes) -> Element:
    """The document as elements."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add_text
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableConfigError(str(error)) from error
    if reader.root is None or reader.root.name != "clientConfig":
        raise UnreadableConfigError("no clientConfig")
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise UnreadableConfigError("too much of it")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def add_text(self, text: str) -> None:
        if self._open and len(self._open[-1].text) + len(text) <= LONGEST_TEXT:
            self._open[-1].text += text

    def refuse_doctype(self, *_declaration: object) -> None:
        raise UnreadableConfigError("a document type, which may hold entities")


def _server(provider: Element, name: str, protocol: str) -> tuple[Server, str] | None:
    """The first usable server of a protocol, TLS from the first byte before STARTTLS, and its user."""
    found: list[tuple[Server, str]] = []
    for element in provider.named(name):
        encryption = ENCRYPTIONS.get(element.text_of("socketType").upper())
        host, port = _host(element.text_of("hostname")), element.text_of("port")
        is_port = re.fullmatch(r"[0-9]{1,5}", port) is not None and 0 < int(port) <= 65535
        if element.attributes.get("type") == protocol and encryption and host and is_port:
            found.append((Server(host, int(port), encryption), element.text_of("username")))
    return min(found, key=lambda one: one[0].encryption != "tls", default=None)


def _host(text: str) -> str:
    try:
        host = canonical_host(text)
    except EgressRefusedError:
        return ""
    return host if "." in host else ""


def _filled(user: str, address: str) -> str:
    """The user's name with the placeholders of the format filled in; the address where that is nonsense."""
    local, _, domain = address.partition("@")
    values = {"%EMAILADDRESS%": address, "%EMAILLOCALPART%": local, "%EMAILDOMAIN%": domain}
    for name, value in values.items():
        user = user.replace(name, value)
    return user if re.fullmatch(r"[^\s\x00-\x20%]{1,255}", user) else address
