"""Whether a domain takes mail at all: a question to DNS, and no answer is no objection (rule 23)."""

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

DomainState = Literal["", "null-mx", "missing"]

SECONDS = 2.0
REMEMBERED_SECONDS = 600.0
MOST_REMEMBERED = 10_000
ASKED_AT_ONCE = 10

_remembered: dict[str, tuple[float, DomainState]] = {}


def domain_state(domain: str) -> DomainState:
    """``null-mx`` (RFC 7505), ``missing`` (NXDOMAIN), or "" for everything else, a time-out too."""
    moment = time.monotonic()
    known = _remembered.get(domain)
    if known is not None and known[0] > moment:
        return known[1]
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    state = _asked(domain)
    _remembered[domain] = (moment + REMEMBERED_SECONDS, state)
    return state


def look_up(domains: Collection[str]) -> None:
    """Ask about many at once, so that `domain_state` knows them for a while."""
    moment = time.monotonic()
    unknown = [one for one in domains if one not in _remembered or _remembered[one][0] <= moment]
    if unknown:
        with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(unknown))) as asking:
            list(asking.map(domain_state, unknown))


def _asked(domain: str) -> DomainState:
    # More memory than all else here, and most processes never ask.
    import dns.exception
    import dns.resolver

    try:
        answers = list(dns.resolver.resolve(domain, "MX", lifetime=SECONDS))
    except dns.resolver.NXDOMAIN:
        return "missing"
    except (dns.exception.DNSException, OSError, UnicodeError):
        return ""
    is_null = len(answers) == 1 and str(getattr(answers[0], "exchange", "")) == "."
    return "null-mx" if is_null else ""
