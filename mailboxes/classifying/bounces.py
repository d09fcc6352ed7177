"""Whose mailbox could not be reached: RFC 3464 reports, and the free text of a hundred servers."""

from __future__ import annotations

import contextlib
import email
import logging
import re
import sys
from dataclasses import dataclass, field

from flufl.bounce import all_failures

from mailboxes.classifying.domains import split_address
from mailboxes.parsing import ParsedMessage

# One of its many detectors gives up on odd headers: no news to an operator, and no place for tracebacks.
logging.getLogger("flufl.bounce").addFilter(lambda record: False)

# What is handed to flufl.bounce, which is not linear; explanations come first in a bounce.
MAXIMUM_RAW = 64 * 1024
MAXIMUM_RAW_LINES = 2_000
MAXIMUM_LINE = 500
MAXIMUM_LINES = 400
MAXIMUM_RECIPIENTS = 500
MAXIMUM_IDS = 50

_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9_-]{1,63}\.){0,20}[A-Za-z0-9-]{1,63}"
_ANY_ADDRESS = re.compile(rf"(?<![\w@.+-])({_ADDRESS})(?![\w@])")
_FIELD = re.compile(
    r"(?im)^(final-recipient|original-recipient|action|status|x-actual-recipient)"
    r"[ \t]*:[ \t]*(.*)$"
)

_MESSAGE_ID = re.compile(r"^(?:original-)?message-id:\s*<([^<>\s]{1,900})>", re.IGNORECASE | re.MULTILINE)
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")  # a letter beyond ASCII (RFC 6533 §3)
_NO_DELIVERY = re.compile(
    r"^(?:disposition[ \t]*+:[^;\n]*+;[ \t]*+(?P<done>[a-z]*+)|feedback-type[ \t]*+:)",
    re.IGNORECASE | re.MULTILINE,
)
_REFUSALS = frozenset({"deleted", "denied", "failed"})
_FOLD = re.compile(r"\n[ \t]+")
_REJECTS = re.compile(
    r"\b(?:was|been) (?:automatically )?(?:rejected|refused)\b"
    r"|\bwurde (?:automatisch )?(?:abgelehnt|zurückgewiesen)"
    r"|\ba été (?:automatiquement )?(?:rejet|refus)",
    re.IGNORECASE,
)
_SUBJECT_LINE = re.compile(
    r"[ \t>]*+(?:subject|betreff|objet|sujet|asunto|oggetto|onderwerp)\s?:", re.IGNORECASE
)


def _any_of(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_RETURNED = re.compile(
    r"[-=_*>\s]*+"
    + _any_of(
        r"(?:(?:this is|below(?: this line)? is|attached is|here is) )?(?:a )?copy of (?:the |your )"
        r"(?:original |returned )?(?:message|mail|header)",
        r"(?:begin(?:ning)? of )?(?:the )?(?:original|returned|unsent|undelivered|rejected|bounced) "
        r"(?:message|mail|text|header)s?\b.{0,30}(?:follow|below|attached|[-=_]{2}|:\s*$)",
        r"(?:the )?first \d+ .{0,40}(?:follow|below)",
        r"(?:(?:unsent |original )?message|returned text|message headers?|headers?) follows",
        r"received: (?:from|by) ",
        r"return-path: ",
    )
    # Between hyphens; the first three of them are looked for so that nothing is tried twice.
    + r"|[=_*>\s]*+(?>--?(?!-)[=_*>\s]*+)*+---[-=_*>\s]*+"
    r".{0,20}(?:original|returned|unsent|forwarded|message|header).{0,40}-{3,}",
    re.IGNORECASE,
)
_NAMED = re.compile(
    _any_of(
        r"(?:intended |envelope |final |original |failed |x-failed[- ])?recipients?(?: address)?(?:\(s\))?",
        r"(?:final|original)-recipient",
        "rcpt to",
        "to address",
        r"failed address(?:es)?",
        "destinatario",
        "destinataire",
        "empf(?:ä|ae)nger",
        "mottagare",
        "modtager",
        "收件(?:人|地址)",
        "宛先",
    )
    + rf"\s*+[:=：]\s*+(?:rfc822\s*+;\s*+)?[<\"'(]?\s*+({_ADDRESS})",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"(?>[-*•>\s]|\d+[.)])*+[<\"'(\[]?(?:mailto:|smtp:|rfc822;\s*+)?"
    rf"({_ADDRESS})[>\"')\]]?\s*(?:$|[:;,.(\-–<\[]|\s{{1,4}}\S)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    _any_of("deliver", "recipient", "address", "permanent", "fatal", "fail", "reject", "return")
    + "|"
    + _any_of("unable", "could ?n[o']t", "unknown", "invalid", "not exist", "bounce", "reach")
    + "|"
    + _any_of("zugestellt", "empf", "remis", "destinat", "entreg", "consegn", "recapit", "bezorg")
    + "|"
    + _any_of("lever", "достав", "адрес", "配信", "送信", "宛先", "邮件", "收件"),
    re.IGNORECASE,
)
_REASON = re.compile(
    _any_of(
        r"(?:user|mailbox|account|address|recipient|adresse|domain|host).{0,40}"
        r"(?:unknown|not found|unavailable|disabled|does(?: not|n't) exist|full|exceeded|invalid"
        r"|inactive|rejected|not listed|not known|not recogni[sz]ed|no longer)",
        r"(?:unknown|no such|invalid|bad|illegal|disabled|nonexistent) (?:local )?"
        r"(?:user|mailbox|recipient|address|account|host|domain)",
        r"over ?quota",
        r"quota exceeded",
        r"\b5\d\d[ -]",
        r"\b[45]\.\d\.\d{1,3}\b",
        r"undeliver",
        r"could ?n(?:o|')t be",
        r"can(?:no|')t be",
        r"not (?:be )?deliver",
        r"delivery (?:has )?fail",
        "failed",
        "rejected",
        "refused",
        "not exist",
        "inconnu",
        "unbekannt",
        "desconocid",
        "sconosciut",
        "onbekend",
        "neexist",
    ),
    re.IGNORECASE,
)
# What a server says of mail, and nobody of parcels: a code, or a sentence.
_PROOF = re.compile(
    _any_of(
        r"\b[45]\.[0-7]\.(?:\d|1\d|\d{3})\b",
        r"\b5\d\d[ -].{0,60}(?:user|mailbox|recipient|reject|relay|unknown|no such|denied)",
        r"(?:user|recipient|mailbox|utilisateur) (?:is )?(?:unknown|full|unavailable|inconnu|unbekannt)",
        r"(?:unknown|no such) (?:user|mailbox|recipient)",
        r"\b(?:message|e?-?mail)\b.{0,60}(?:not|n't) (?:be(?:en)? )?(?:deliver|sent)",
        r"\bdelivery of (?:your )?(?:e-?mail|message) to\b",
        r"\bdeliver(?:y|ed) to (?:one or more of )?(?:the following|its) (?:recipient|address)",
        r"\bnachricht\b.{0,60}nicht.{0,20}zugestellt",
    ),
    re.IGNORECASE,
)
# The server goes on trying.
_DELAY = re.compile(
    r"\bwill (?:retry|be retried|keep (?:on )?trying|continue to (?:try|be)|try again)"
    r"|\battempts (?:to deliver .{0,60})?will continue\b|\bnot yet been delivered\b|\bdelivery incomplete\b"
    r"|\bno action is required\b|\b(?:do not|don['’]t) need to resend\b|\bstill (?:trying|being retried)\b"
    r"|\bwird (?:weiterhin|erneut) versucht\b",
    re.IGNORECASE,
)
_HELP = re.compile(
    _any_of("contact", "help", "question", "support", "postmaster", "administrator", "abuse")
    + "|further assistance|wenden|visit|http",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Failures:
    """Recipients in lower case, in the order they were found."""

    permanent: dict[str, None] = field(default_factory=dict)
    temporary: dict[str, None] = field(default_factory=dict)
    has_success: bool = False

    def add(self, address: str, *, is_permanent: bool = True) -> None:
        """Keep an address that looks like one."""
        address = address.strip().strip("<>()[]\"'., ;:").lower()
        if not address or len(address) > 320 or " " in address:
            return
        known = self.permanent if is_permanent else self.temporary
        if len(known) < MAXIMUM_RECIPIENTS:
            known[address] = None


def reported_ids(parsed: ParsedMessage) -> list[str]:
    """Message-IDs of what a bounce, receipt or complaint is about: in what it gives back, or in its text."""
    texts = (*parsed.reports, parsed.returned_headers, parsed.own_text)
    found = [id for text in texts for id in _MESSAGE_ID.findall(text)]
    return list(dict.fromkeys(found))[:MAXIMUM_IDS]


def reported_failures(parsed: ParsedMessage) -> Failures:
    """What the machine-readable parts and headers of a bounce say (RFC 3464 §2.3)."""
    failures = Failures()
    for report in parsed.reports:
        if _is_receipt_or_complaint(report, parsed):
            continue
        for block in re.split(r"\n[ \t]*\n", report):
            _read_block(block, failures)
    for value in parsed.all_headers("x-failed-recipients"):
        for address in re.split(r"[,\s]+", value):
            failures.add(address)
    return failures


def _is_receipt_or_complaint(report: str, parsed: ParsedMessage) -> bool:
    """Whether a report names its recipient for another reason (RFC 8098 §3.2, RFC 5965 §3.2).

    Sieve refuses a mail by a receipt (RFC 5429 §2.1.2): that one has not arrived.
    """
    found = _NO_DELIVERY.search(_FOLD.sub(" ", report[:20_000]))
    if found is None:
        return False
    return (found["done"] or "").lower() not in _REFUSALS or not _says_rejected(parsed.own_text[:3_000])


def _says_rejected(text: str) -> bool:
    """Whether a receipt says so itself, not the subject of the mail that it names."""
    lines = [line for line in text.split("\n") if not _SUBJECT_LINE.match(line)]
    return _REJECTS.search(" ".join(" ".join(lines).split())) is not None


def _read_block(block: str, failures: Failures) -> None:
    fields: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(_FOLD.sub(" ", block[:20_000])):
        fields.setdefault(name.lower(), []).append(value)
    action = " ".join(fields.get("action", [])).strip().lower()
    status = " ".join(fields.get("status", [])).strip()
    recipients = [
        address
        for name in ("original-recipient", "final-recipient", "x-actual-recipient")
        for address in map(_recipient, fields.get(name, []))
        if address
    ]
    is_temporary = action.startswith("delay") or (not action and status.startswith("4"))
    if action.startswith(("deliver", "relay", "expand")) or (not action and status.startswith("2")):
        failures.has_success = True
        return
    for address in recipients:
        failures.add(address, is_permanent=not is_temporary)


def _recipient(value: str) -> str:
    """``rfc822;user@example.com`` without its type; also with a name and brackets."""
    content = _ESCAPED.sub(_unescaped, value.rpartition(";")[2])
    found = _ANY_ADDRESS.search(content)
    if found:
        return found[1]
    address = content.strip().strip("<>")  # with letters beyond ASCII (RFC 6533 §3)
    return address if re.fullmatch(r"[^\s@]++@[^\s@]++", address) else ""


def _unescaped(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else ""


def failures_in_text(
    parsed: ParsedMessage, own: frozenset[str], *, only_plain: bool = False, is_proven: bool = True
) -> Failures:
    """Recipients named in the explanation above the returned message.

    ``own`` are addresses that cannot have failed: whom the bounce is from and to. ``only_plain``
    takes only what stands beside the word *recipient* or a reason. Where nothing ``is_proven``, it stands
    beside the words of a server: people name addresses and reasons, too.
    """
    failures = Failures()
    lines = _explanation(parsed.own_text)
    is_permanent = _DELAY.search(" ".join(lines)) is None
    lines = lines if is_proven else _beside_proof(lines)
    for step in (_named, _reasoned) if only_plain else (_named, _reasoned, _listed, _any):
        for address in step(lines):
            if address.lower() not in own and split_address(address)[0] not in _NEVER:
                failures.add(address, is_permanent=is_permanent)
        if failures.permanent or failures.temporary:
            break
    return failures


def add_reasoned(failures: Failures, parsed: ParsedMessage, own: frozenset[str]) -> None:
    """Add the other recipients that the explanation names together with a reason; a detector stops at one."""
    for address in _reasoned(_explanation(parsed.own_text)):
        if address.lower() not in own and split_address(address)[0] not in _NEVER:
            failures.add(address)


def speaks_as_a_server(parsed: ParsedMessage) -> bool:
    """Whether the explanation has words that only servers use of what they could not deliver."""
    return any(_PROOF.search(line) for line in _explanation(parsed.own_text))


_NEVER = frozenset({"postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster"})


def _explanation(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n", MAXIMUM_LINES)[:MAXIMUM_LINES]:
        line = line[:MAXIMUM_LINE]
        if lines and _RETURNED.match(line):
            break
        lines.append(line)
    return lines


def _beside_proof(lines: list[str]) -> list[str]:
    """The lines with two above and two below the words of a server."""
    proofs = {index for index, line in enumerate(lines) if _PROOF.search(line)}
    return [line for index, line in enumerate(lines) if proofs.intersection(range(index - 2, index + 3))]


def _named(lines: list[str]) -> list[str]:
    """``Recipient: <a@b>``, ``RCPT TO:<a@b>``."""
    return [address for line in lines for address in _NAMED.findall(line)]


def _reasoned(lines: list[str]) -> list[str]:
    """``<a@b>: user unknown``, on one line or with the reason on the next two."""
    found: list[str] = []
    for index, line in enumerate(lines):
        leading = _LEADING.match(line)
        if leading and _REASON.search(" ".join([line, *lines[index + 1 : index + 3]])):
            found.append(leading[1])
    return found


def _listed(lines: list[str]) -> list[str]:
    """Addresses at the beginning of lines below a sentence about delivery."""
    found: list[str] = []
    is_open = False
    for line in lines:
        leading = _LEADING.match(line)
        if leading and is_open:
            found.append(leading[1])
        elif _OPENING.search(line):
            is_open = True
    return found


def _any(lines: list[str]) -> list[str]:
    """Any address of the explanation, where there are few and the line offers no help."""
    found = [address for line in lines if not _HELP.search(line) for address in _ANY_ADDRESS.findall(line)]
    return found if len(set(found)) <= 5 else []


def failures_by_pattern(raw: bytes, own: frozenset[str]) -> Failures:
    """What the detectors of flufl.bounce (of Mailman) recognise, without ``own`` addresses."""
    failures = Failures()
    lines = raw[:MAXIMUM_RAW].split(b"\n", MAXIMUM_RAW_LINES)[:MAXIMUM_RAW_LINES]
    capped = b"\n".join(line[:2000] for line in lines)
    # The detectors are regular expressions over real bounces; on made-up ones they may fail.
    with contextlib.suppress(Exception):
        temporary, permanent = all_failures(email.message_from_bytes(capped))
        for address in sorted(map(_as_text, permanent)):
            failures.add(address)
        for address in sorted(map(_as_text, temporary)):
            failures.add(address, is_permanent=False)
    for known in (failures.permanent, failures.temporary):
        for address in own & known.keys():
            del known[address]
    return failures


def _as_text(address: bytes | str) -> str:
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else address
