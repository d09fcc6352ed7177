"""What the DNS of a domain says: SRV records (RFC 6186, RFC 8314) and, for known providers, MX."""

from typing import Any

from mailboxes.classifying.domains import are_related
from mailboxes.discovery.providers import of_mail_server
from mailboxes.discovery.values import Proposal, Server

# Implicit TLS comes first (RFC 8314 §4.1): service, encryption.
READING = (("_imaps._tcp", "tls"), ("_imap._tcp", "starttls"))
SENDING = (("_submissions._tcp", "tls"), ("_submission._tcp", "starttls"))


def from_srv(domain: str, address: str, seconds: float) -> Proposal | None:
    """The servers that the domain names for its own mail programs."""
    imap, smtp = (_first(domain, services, seconds / 4) for services in (READING, SENDING))
    if imap is None and smtp is None:
        return None
    strangers = [one.host for one in (imap, smtp) if one is not None and not are_related(one.host, domain)]
    return Proposal(
        origin=f"the DNS of {domain}",
        user=address,  # RFC 6186 §4: the whole address first
        imap=imap,
        smtp=smtp,
        warning=_stranger(domain, strangers),
    )


def from_mx(domain: str, address: str, seconds: float) -> Proposal | None:
    """The known provider that takes the mail of a domain of one's own."""
    for record in _asked(domain, "MX", seconds):
        provider = of_mail_server(str(record.exchange))
        if provider is not None:
            return provider.proposal(address, f"{provider.name}, which takes the mail of {domain}")
    return None


def _first(domain: str, services: tuple[tuple[str, str], ...], seconds: float) -> Server | None:
    """The best record of the first service that is offered; the target ``.`` says that it is not."""
    for service, encryption in services:
        records = _asked(f"{service}.{domain}", "SRV", seconds)
        found = sorted(records, key=lambda record: (record.priority, -record.weight))
        hosts = [(str(record.target).rstrip(".").lower(), record.port) for record in found]
        for host, port in hosts:
            if host and 0 < port <= 65535:
                return Server(host, port, encryption)
    return None


def _asked(name: str, kind: str, seconds: float) -> list[Any]:
    # More memory than all else here, and needed where a mailbox is connected.
    import dns.exception
    import dns.resolver

    try:
        return list(dns.resolver.resolve(name, kind, lifetime=seconds, search=False))
    except (dns.exception.DNSException, OSError, UnicodeError):
        return []


def _stranger(domain: str, hosts: list[str]) -> str:
    """DNS can be forged on its way: another domain is used only if a person knows it (RFC 6186 §6)."""
    if not hosts:
        return ""
    named = " and ".join(dict.fromkeys(hosts))
    return (
        f"The DNS of {domain} leads to another domain: {named}. Use it only if you know that your mail "
        "is kept there; the password goes to that server."
    )
