"""A name server on 127.0.0.1: ``names.add("_imaps._tcp.x.test", "SRV", "0 1 993 mail.x.test.")``."""

import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest


class NameServer:
    """Answers over UDP what it was told; NXDOMAIN for the rest. ``asked`` lists the names."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.is_silent = False
        self._answers: dict[tuple[str, str], list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="name server", daemon=True)

    def __enter__(self) -> "NameServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        closing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        closing.sendto(b"", ("127.0.0.1", self.port))
        closing.close()
        self._thread.join(5)
        self._socket.close()

    def add(self, name: str, kind: str, *records: str) -> None:
        """From now on this name has these records."""
        self._answers[f"{name}.".lower(), kind] = list(records)

    def _run(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            if not self.is_silent:
                self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = str(question.name).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name.rstrip("."), kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self._answers.get((name, kind))
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """The only name server there is, as far as `dns.resolver` knows."""
    with NameServer() as server:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield server
