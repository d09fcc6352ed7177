"""All sources are asked at once, for a few seconds together."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from mailboxes import egress, https
from mailboxes.discovery.autoconfig import UnreadableConfigError, read_config
from mailboxes.discovery.dns_records import from_mx, from_srv
from mailboxes.discovery.providers import LIST, kind_of_host, of_domain
from mailboxes.discovery.values import Proposal, Server
from mailboxes.egress import EgressPolicy
from mailboxes.errors import MailServerError

TOTAL_SECONDS = 4.0
SOURCE_SECONDS = 3.0
LEAST_SECONDS = 0.6  # nothing found takes as long as something that must not be reached (T8)
LARGEST_CONFIG = 64 * 1024

Source = Callable[[], Proposal | None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where this installation lets us ask.

    ``mail``: servers that may be proposed at all. ``web``: where autoconfig may be fetched.
    ``directory``: the address of a directory in the format of Mozilla's, if one is configured.
    """

    mail: EgressPolicy
    web: EgressPolicy
    directory: str = ""
    ca_file: str | None = None
    resolver: egress.Resolver | None = None


def discover(address: str, places: Places) -> list[Proposal]:
    """Proposals for an address, the surest source first. Never raises for what anybody answers."""
    local, _, domain = address.strip().rpartition("@")
    try:
        domain = egress.canonical_host(domain)
    except MailServerError:
        return []
    if not local or not _is_public_name(domain):
        return []
    address = f"{local}@{domain}"
    known = of_domain(domain)
    if known is not None:
        return [known.proposal(address, f"{LIST}: {known.name}")]
    return _asked(domain, address, places)


def _asked(domain: str, address: str, places: Places) -> list[Proposal]:
    started = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=5, thread_name_prefix="discovery")
    try:
        futures = [pool.submit(source) for source in _sources(domain, address, places)]
        wait(futures, timeout=TOTAL_SECONDS)
        found = [proposal for future in futures if (proposal := _result(future)) is not None]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if not found:
        time.sleep(max(0.0, LEAST_SECONDS - (time.monotonic() - started)))
    return _without_repetition(found)


def _sources(domain: str, address: str, places: Places) -> list[Source]:
    """In the order of their weight: who runs the mail, then the domain's own word, then others'."""
    urls = [
        (f"https://autoconfig.{domain}/mail/config-v1.1.xml", f"autoconfig.{domain}"),
        (f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml", domain),
    ]
    if places.directory:
        urls.append((f"{places.directory.rstrip('/')}/{domain}", "the directory of this installation"))
    return [
        lambda: from_mx(domain, address, SOURCE_SECONDS),
        lambda: _permitted(from_srv(domain, address, SOURCE_SECONDS), places),
        *(_fetching(url, origin, address, places) for url, origin in urls),
    ]


def _fetching(url: str, origin: str, address: str, places: Places) -> Source:
    def source() -> Proposal | None:
        answer = https.fetch(
            url,
            places.web,
            seconds=SOURCE_SECONDS,
            largest=LARGEST_CONFIG,
            ca_file=places.ca_file,
            resolver=places.resolver,
        )
        if not answer.is_ok:
            return None
        return _permitted(read_config(answer.body, address, origin), places)

    return source


def _permitted(proposal: Proposal | None, places: Places) -> Proposal | None:
    """Without the servers that may not be reached: they would only be refused later."""
    if proposal is None:
        return None
    imap, smtp = (_reachable(server, places) for server in (proposal.imap, proposal.smtp))
    if imap is None and smtp is None:
        return None
    kind = kind_of_host(imap.host) if imap is not None else "other"
    return replace(proposal, imap=imap, smtp=smtp, kind=kind)


def _reachable(server: Server | None, places: Places) -> Server | None:
    if server is None:
        return None
    try:
        egress.resolve(server.host, server.port, places.mail, SOURCE_SECONDS, places.resolver)
    except MailServerError:
        return None
    return server


def _result(future: Future[Proposal | None]) -> Proposal | None:
    if not future.done() or future.cancelled():
        return None
    try:
        return future.result()
    except (MailServerError, UnreadableConfigError):
        return None


def _without_repetition(found: list[Proposal]) -> list[Proposal]:
    kept: dict[object, Proposal] = {}
    for proposal in found:
        kept.setdefault(proposal.place, proposal)
    return list(kept.values())


def _is_public_name(domain: str) -> bool:
    """Whether it is a name with a dot; single words are names of the inside, numbers are addresses."""
    return "." in domain and ":" not in domain and not domain.replace(".", "").isdigit()
