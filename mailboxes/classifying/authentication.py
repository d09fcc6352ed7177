"""Authentication-Results of the one server that is trusted (RFC 8601)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import authres

from mailboxes.classifying.domains import are_related, ascii_domain
from mailboxes.classifying.facts import Authentication

MAXIMUM_LENGTH = 8000

_METHOD = re.compile(r"(?:^|[;\s])(dmarc|spf|dkim)\s*=\s*([a-z]+)", re.IGNORECASE)
_DOMAIN = re.compile(r"header\.[di]\s*=\s*\"?@?(?:[^\s;@\"]*@)?([^\s;\"]+)", re.IGNORECASE)

_ONE_COMMENT = r" ++\([ !-'*-\[\]-~]*+\)"
_COMMENT = rf"(?>{_ONE_COMMENT})?+"
_VALUE = r"(?:@[\w-]++(?>\.[\w-]++)*+|[\w./+=-][\w./+=@-]*+)"
_PLAIN_ID = re.compile(r"[a-z0-9-]++(?>\.[a-z0-9-]++)*+ *+(?=;)", re.IGNORECASE | re.ASCII)
_PLAIN_RESULT = re.compile(
    rf"; *+(?!none)([a-z][a-z-]*+)=([a-z]++){_COMMENT}"
    rf"((?> ++(?:header|smtp|body|policy)\.[a-z-]++={_VALUE}{_COMMENT})*+) *+(?=;|\Z)",
    re.IGNORECASE | re.ASCII,
)
_PLAIN_COMMENT = re.compile(r"(?<! )" + _ONE_COMMENT)  # from the first blank of a run alone
_SIGNER = re.compile(rf" header\.([di])=({_VALUE})", re.IGNORECASE | re.ASCII)

_Result = tuple[str, str, str]  # method, result, signing domain


def trusted_results(headers: Sequence[tuple[str, str]], authserv_id: str | None) -> list[str]:
    """The values that the trusted server itself put on top.

    One server may add several (one per filter), all together. What lies below its own Received
    header, or below a result of somebody else, came from outside and may be forged.
    """
    if not authserv_id:
        return []
    found: list[str] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == "received" and found:
            break
        if lowered == "authentication-results":
            if _authserv_id(value) != authserv_id.lower():
                break
            found.append(value)
    return found


def authentication(
    headers: Sequence[tuple[str, str]], authserv_id: str | None, sender_domain: str
) -> Authentication | None:
    """What the trusted server found out about the sender, or None where it said nothing."""
    values = trusted_results(headers, authserv_id)
    if not values:
        return None
    results = [result for value in values for result in _results(value)]
    aligned = any(
        method == "dkim" and result == "pass" and domain and are_related(domain, sender_domain)
        for method, result, domain in results
    )
    return Authentication(
        dmarc=_of("dmarc", results),
        spf=_of("spf", results),
        dkim=_of("dkim", results),
        has_aligned_dkim_pass=aligned,
    )


def is_forged(results: Authentication | None) -> bool:
    """Whether the sender is probably somebody else: DMARC failed, or SPF did and no signature holds."""
    if results is None:
        return False
    return results["dmarc"] == "fail" or (results["spf"] == "fail" and results["dkim"] != "pass")


def _authserv_id(value: str) -> str:
    words = value.split(";", 1)[0].split()
    return words[0].lower() if words else ""


def _of(method: str, results: list[_Result]) -> str:
    """The result of a method; of several signatures one that passes is enough."""
    found = [result for name, result, _ in results if name == method]
    if "pass" in found and method == "dkim":
        return "pass"
    return found[0] if found else ""


def _results(value: str) -> list[_Result]:
    value = value[:MAXIMUM_LENGTH]
    plain = _plain_results(value)
    if plain is not None:
        return plain
    try:
        parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except (authres.AuthResError, ValueError, AttributeError, IndexError, RecursionError):
        return _results_by_pattern(value)
    return [_result(result) for result in parsed.results]


def _plain_results(value: str) -> list[_Result] | None:
    """The results, when each is written in the plainest way, as nearly all are. authres takes 0.5 ms."""
    head = _PLAIN_ID.match(value)
    if head is None:
        return None
    found: list[_Result] = []
    position = head.end()
    while position < len(value):
        plain = _PLAIN_RESULT.match(value, position)
        if plain is None:
            return None
        found.append((plain[1].lower(), plain[2].lower(), _signer(plain[3])))
        position = plain.end()
    return found


def _signer(properties: str) -> str:
    """The domain of a signature: ``header.d``, else that of ``header.i``."""
    named: dict[str, str] = {}
    for name, value in _SIGNER.findall(_PLAIN_COMMENT.sub("", properties)):
        named.setdefault(name.lower(), value)
    return ascii_domain((named.get("d") or named.get("i") or "").rpartition("@")[2])


def _result(result: authres.core.AuthenticationResult) -> _Result:
    domain = getattr(result, "header_d", None) or getattr(result, "header_i", None) or ""
    return (
        str(result.method or "").lower(),
        str(result.result or "").lower(),
        ascii_domain(str(domain).rpartition("@")[2]),
    )


def _results_by_pattern(value: str) -> list[_Result]:
    """For what servers write that is no RFC 8601."""
    found: list[_Result] = []
    for text in _without_comments(value).split(";"):
        part = text.partition("(")[0]  # a comment without an end
        if method := _METHOD.search(part):
            domain = _DOMAIN.search(part)
            signer = ascii_domain(domain[1]) if domain else ""
            found.append((method[1].lower(), method[2].lower(), signer))
    return found


def _without_comments(value: str) -> str:
    kept: list[str] = []
    begun: list[int] = []
    for character in value:
        if character == "(":
            begun.append(len(kept))
        kept.append(character)
        if character == ")" and begun:
            del kept[begun.pop() :]
    return "".join(kept)
