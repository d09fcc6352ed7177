"""Addresses and domains in the forms that can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

_SRS0 = re.compile(r"srs0[=+-][^=]+=[^=]+=([^=]+)=(.+)", re.IGNORECASE)
_SRS1 = re.compile(r"srs1[=+-][^=]+=[^=]+==[^=]+=[^=]+=([^=]+)=(.+)", re.IGNORECASE)
_BATV = re.compile(r"(?:prvs|btv1|mxprvs|msprvs1?)=++[^=/]{1,30}=++(.+)", re.IGNORECASE)
_BATV_REVERSED = re.compile(r"prvs=([^/]+)/[0-9a-f]{4,20}", re.IGNORECASE)
_SECOND_LEVEL = frozenset(
    {"ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "gv", "ltd", "mil", "ne", "net", "nom"}
    | {"or", "org", "plc", "sch", "nhs", "id", "me", "res", "firm", "gen", "ind", "asso", "tm"}
)
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})


@lru_cache(maxsize=4_096)
def split_address(address: str) -> tuple[str, str]:
    """Local part and domain in lower case; the domain is "" where there is none."""
    local, at, domain = address.strip().strip("<>").rpartition("@")
    if not at:
        return domain.lower(), ""
    return local.strip('"').lower(), ascii_domain(domain)


def ascii_domain(domain: str) -> str:
    """The domain in lower case and, where it can be, in its A-labels (RFC 5891)."""
    domain = domain.strip().strip(".").lower()[:255]
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def decoded_address(address: str) -> str:
    """The address behind SRS and BATV rewriting; else the address itself, in lower case."""
    local, domain = split_address(address)
    if "=" not in local:
        return f"{local}@{domain}" if domain else local
    if rewritten := _SRS1.fullmatch(local) or _SRS0.fullmatch(local):
        local, domain = rewritten[2], ascii_domain(rewritten[1])
    if tagged := _BATV.fullmatch(local) or _BATV_REVERSED.fullmatch(local):
        local = tagged[1]
    return f"{local}@{domain}" if domain else local


@lru_cache(maxsize=4_096)
def canonical_address(address: str) -> str:
    """One form for all spellings of an address that reach the same person (rule 11).

    Lower case, A-labels, SRS and BATV undone, sub-address cut, dots cut where the provider
    ignores them.
    """
    local, domain = split_address(decoded_address(address))
    local = local.split("+", 1)[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if domain else local


def organizational_domain(domain: str) -> str:
    """The registered domain, by rule of thumb: two labels, three under ``co.uk`` and the like."""
    labels = domain.split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def are_related(first: str, second: str) -> bool:
    """Whether two domains belong to one organization, as far as their names tell."""
    return organizational_domain(first) == organizational_domain(second)
