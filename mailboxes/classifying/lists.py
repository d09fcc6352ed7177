"""Where one writes to a mailing list, if all signs of lists in a message are those of that one list.

An address for customers may itself be a list (a Google Group, one of Mailman): then each of their letters
bears its signs. What newsletters, campaigns and other lists add to theirs is none of it.
"""

from __future__ import annotations

import re

from mailboxes.classifying.domains import are_related, canonical_address, organizational_domain, split_address
from mailboxes.classifying.headers import Headers

_NAMING = frozenset({"list-id", "mailing-list", "x-beenthere"})
_POINTING = frozenset(
    {"list-post", "list-help", "list-archive", "list-subscribe", "list-unsubscribe", "list-owner"}
)
_SILENT = frozenset({"x-mailman-version"})
_HOSTS = frozenset({"google.com", "googlegroups.com"})  # of Google Groups
_LONGEST = 2_000  # characters of a header that are looked at

_MAILTO = re.compile(r"mailto:([^>?,\s]{3,320})", re.IGNORECASE)
_HOST = re.compile(r"https?://([^/>:?#\s]{1,255})", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s;,<>@]{1,64}@[^\s;,<>@]{1,255}")
_COMMAND = re.compile(r"[-+]")
_LIST_ID = re.compile(r"<([^<>\s]{3,255})>|^\s*([^<>\s]{3,255})\s*$")


def posting_address(headers: Headers, list_headers: list[str], precedence: list[str]) -> str:
    """The canonical address of the list, or "": each sign has to be of it, and none to stand twice."""
    if not {"list-id", "list-post"}.issubset(list_headers) or set(precedence) - {"list"}:
        return ""
    values = {name: [value[:_LONGEST] for value in headers.all(name)] for name in list_headers}
    if any(len(found) > 1 for found in values.values()):
        return ""
    posting = {canonical_address(one) for one in _MAILTO.findall(values["list-post"][0])}
    if len(posting) != 1:
        return ""
    address = posting.pop()
    is_of_one = all(_is_of(address, name, found[0]) for name, found in values.items())
    return address if is_of_one else ""


def _is_of(address: str, name: str, value: str) -> bool:
    """Whether a header is the list's own."""
    if name == "list-id":
        return _is_named(address, value)
    if name in _NAMING:
        found = _ADDRESS.findall(value)
        return bool(found) and all(_belongs(address, one) for one in found)
    if name in _POINTING:
        hosts = (host.lower() for host in _HOST.findall(value))
        domain = split_address(address)[1]
        is_near = all(organizational_domain(host) in _HOSTS or are_related(host, domain) for host in hosts)
        return is_near and all(_belongs(address, one) for one in _MAILTO.findall(value))
    return name in _SILENT


def _is_named(address: str, value: str) -> bool:
    """``support.example.org``, or ``support.lists.example.org`` of support@example.org (RFC 2919)."""
    found = _LIST_ID.search(value)
    local, domain = split_address(address)
    name, _, rest = (found[1] or found[2]).lower().partition(f"{local}.") if found else ("-", "", "")
    return not name and are_related(rest, domain)


def _belongs(address: str, other: str) -> bool:
    """Whether an address is the list's or one of its commands: support+help@, support-leave@."""
    local, domain = split_address(address)
    other_local, other_domain = split_address(other)
    if organizational_domain(other_domain) in _HOSTS:
        return True
    first, other_first = (_COMMAND.split(one)[0] for one in (local, other_local))
    return are_related(other_domain, domain) and first == other_first
