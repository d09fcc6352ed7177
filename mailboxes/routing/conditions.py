"""The condition of a routing rule as somebody types it: what it is in one form, and what is wrong. Pure."""

import re

from mailboxes.classifying.domains import ascii_domain
from mailboxes.routing.deciding import (
    RECIPIENT,
    RECIPIENT_DOMAIN,
    SENDER,
    SENDER_DOMAIN,
    TAG,
    Facts,
    comparable,
)

LONGEST_VALUE = 320
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_TAG = re.compile(r"[^\s@<>,;\"]{1,64}")
_LOCAL = re.compile(r"[^\s@<>,;\"]{1,64}")


def normalized(field: str, value: str) -> str:
    """One form for what people type: lower case, no brackets, a tag without ``+``, a domain without ``@``."""
    text = value.strip().strip("<>").removeprefix("mailto:").strip()
    if field == TAG:
        return text.removeprefix("+").lower()
    if field in (RECIPIENT_DOMAIN, SENDER_DOMAIN):
        return ascii_domain(text.rpartition("@")[2])
    return comparable(text) or text.lower()


def problem_of(field: str, value: str) -> str:
    """What is wrong with a normalized value, and what to do; "" if nothing is."""
    if not value:
        return "Say what to compare with."
    if len(value) > LONGEST_VALUE:
        return f"Use at most {LONGEST_VALUE} characters."
    return _CHECKS[field](value)


def suggestions(facts: Facts, own_addresses: frozenset[str]) -> list[tuple[str, str]]:
    """Conditions that a rule for a message like this may have, the most telling one first."""
    found: list[tuple[str, str]] = []
    for recipient in facts.recipients:
        local, _, domain = recipient.rpartition("@")
        base, plus, tag = local.partition("+")
        if plus and f"{base}@{domain}" in own_addresses:
            found.append((TAG, tag))
        elif recipient not in own_addresses:
            found.append((RECIPIENT, recipient))
    if facts.sender:
        found += [(SENDER, facts.sender), (SENDER_DOMAIN, facts.sender.rpartition("@")[2])]
    found.sort(key=lambda condition: _TELLING.index(condition[0]))
    return list(dict.fromkeys(found))


_TELLING = (TAG, RECIPIENT, SENDER, SENDER_DOMAIN)


def _of_address(value: str) -> str:
    local, _, domain = value.rpartition("@")
    is_one = _LOCAL.fullmatch(local) is not None and _DOMAIN.fullmatch(domain) is not None
    return "" if is_one else "Write one address, such as orders@example.com."


def _of_domain(value: str) -> str:
    return "" if _DOMAIN.fullmatch(value) else "Write a domain, such as example.com."


def _of_tag(value: str) -> str:
    if "+" in value:
        return "Write what stands between + and @, without either."
    return "" if _TAG.fullmatch(value) else "Write the tag alone: acme for orders+acme@example.com."


_CHECKS = {
    RECIPIENT: _of_address,
    SENDER: _of_address,
    RECIPIENT_DOMAIN: _of_domain,
    SENDER_DOMAIN: _of_domain,
    TAG: _of_tag,
}
