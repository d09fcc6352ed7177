"""The list of providers that many people use, kept as data in ``providers.json``."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mailboxes.discovery.values import Proposal, Server

LIST = "the list of known providers"


@dataclass(frozen=True, slots=True)
class Provider:
    """One of them. ``mx``: the ends of the names of servers that take mail for customers' own domains."""

    name: str
    domains: tuple[str, ...]
    mx: tuple[str, ...]
    imap: Server | None
    smtp: Server | None
    kind: str
    user: str
    hint: str

    def proposal(self, address: str, origin: str) -> Proposal:
        """Its settings for an address."""
        user = address.partition("@")[0] if self.user == "local" else address
        return Proposal(origin, user, self.imap, self.smtp, self.kind, self.hint)


@lru_cache(maxsize=1)
def providers() -> tuple[Provider, ...]:
    """All of them."""
    rows = json.loads(Path(__file__).with_name("providers.json").read_text("utf-8"))
    return tuple(_provider(row) for row in rows)


def of_domain(domain: str) -> Provider | None:
    """The provider whose customers have addresses of this domain."""
    return next((one for one in providers() if domain in one.domains), None)


def of_mail_server(name: str) -> Provider | None:
    """The provider that runs a server which takes mail (the target of an MX record)."""
    host = name.rstrip(".").lower()
    for one in providers():
        if any(host == end or host.endswith(f".{end}") for end in one.mx):
            return one
    return None


def is_known_server(host: str) -> bool:
    """Whether an IMAP server is one of theirs."""
    return any(one.imap is not None and one.imap.host == host for one in providers())


def kind_of_host(host: str) -> str:
    """The account type that belongs to an IMAP server."""
    for one in providers():
        if one.imap is not None and one.imap.host == host:
            return one.kind
    return "other"


def _provider(row: dict[str, Any]) -> Provider:
    return Provider(
        name=row["name"],
        domains=tuple(row.get("domains", ())),
        mx=tuple(row.get("mx", ())),
        imap=_server(row.get("imap")),
        smtp=_server(row.get("smtp")),
        kind=row.get("kind", "other"),
        user=row.get("user", "address"),
        hint=row.get("hint", ""),
    )


def _server(text: str | None) -> Server | None:
    if not text:
        return None
    host, port, encryption = text.split(":")
    return Server(host, int(port), encryption)
