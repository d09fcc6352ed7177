"""Whose mailbox could not be reached: RFC 3464 reports, and the free text of a hundred servers."""

from __future__ import annotations

import contextlib
import email
import re
from dataclasses import dataclass, field

from flufl.bounce import all_failures

from mailboxes.classifying.domains import split_address
from mailboxes.parsing import ParsedMessage

MAXIMUM_RAW = 512 * 1024  # what is handed to flufl.bounce; explanations come first in a bounce
MAXIMUM_LINE = 500
MAXIMUM_LINES = 400
MAXIMUM_RECIPIENTS = 500

_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9-]+"
_ANY_ADDRESS = re.compile(rf"(?<![\w@.+-])({_ADDRESS})(?![\w@])")
_FIELD = re.compile(
    r"(?im)^(final-recipient|original-recipient|action|status|x-actual-recipient)[ \t]*:[ \t]*(.*)$"
)
_RETURNED = re.compile(
    r"\s*[-=_*>\s]*(?:(?:this is a |below (?:this line )?is a |attached is a |here is a )?copy of (?:the |your )"
    r"(?:original |returned )?(?:message|mail|header)|(?:begin(?:ning)? of )?(?:the )?(?:original|returned|unsent|undelivered|rejected|bounced|first \d+ .{0,20})"
    r" (?:message|mail|text|header)s?\b.{0,30}(?:follow|below|attached|[-=_]{2}|:\s*$)|(?:message|unsent message|original message|returned text|message header|headers?) follows"
    r"|-{3,}.{0,20}(?:original|returned|unsent|forwarded|message|header).{0,40}-{3,}|received: (?:from|by) |return-path: )",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:final-recipient|original-recipient|failed recipient|x-failed-recipients|(?:intended |envelope |final |original )?recipients?(?: address)?(?:\(s\))?|rcpt to|to address"
    r"|failed address(?:es)?|destinatario|destinataire|empf(?:ä|ae)nger|mottagare|modtager)\s*[:=]\s*(?:rfc822\s*;)?\s*[<\"'(]?\s*("
    + _ADDRESS
    + ")",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"\s*(?:[-*•>\s]|\d+[.)])*[<\"'(\[]?(?:mailto:|smtp:|rfc822;\s*)?("
    + _ADDRESS
    + r")[>\"')\]]?\s*(?:$|[:;,.(\-–<\[]|\s{1,4}\S)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:deliver|recipient|address|permanent|fatal|fail|reject|return|undeliver|unable|could ?n[o']t|unknown|invalid|not exist|bounce|reach|zugestellt|empf|remis|destinat|entreg|consegn|recapit|bezorg|lever|достав|адрес|配信|送信|宛先|邮件|收件)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:user|mailbox|account|address|recipient|adresse|domain|host).{0,40}(?:unknown|not found|unavailable|disabled|does(?: not|n't) exist|full|exceeded|invalid|inactive|rejected|not listed|not known|no longer)"
    r"|(?:unknown|no such|invalid|bad|illegal|disabled|nonexistent) (?:local )?(?:user|mailbox|recipient|address|account|host|domain)|over ?quota|quota exceeded|\b5\d\d[ -]|\b5\.\d\.\d{1,3}\b|\b4\.\d\.\d{1,3}\b|undeliver|could ?n(?:o|')t be|can(?:no|')t be|not (?:be )?deliver|delivery (?:has )?fail|failed|rejected|inconnu|unbekannt|desconocid|sconosciut|onbekend|neexist|not exist|refused",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"(?:could ?n(?:o|')t|can ?n(?:o|')t|unable to|not (?:be )?|failed to|fail(?:ure|ed)? (?:in|of|during|on|permanently)?)\s*(?:be )?(?:deliver|sen[dt])"
    r"|undeliverable|undelivered|did ?n(?:o|')t reach the following|delivery of (?:e?-?mail|the|your|this).{0,120}(?:postponed|delayed|failed)|no such user here|delivery (?:has )?(?:failed|failure|error|status|attempt|delayed)|delivery to the following|user unknown|no such (?:user|mailbox)"
    r"|returned (?:to sender|mail)|permanent (?:fatal )?errors?|fatal errors|message (?:was |has been )?(?:rejected|returned|bounced|delayed)|mailbox (?:is )?(?:full|unavailable)"
    r"|nicht (?:zugestellt|zustellbar)|unzustellbar|n'a pas pu [êe]tre|non (?:remis|recapitat|consegnat)|no (?:se )?(?:pudo|ha podido).{0,20}entreg|não (?:foi )?.{0,20}entreg"
    r"|niet (?:worden )?(?:afgeleverd|bezorgd)|не (?:был[оа]? )?доставлен|не удалось достав|配信できません|送信できません|无法投递|退信",
    re.IGNORECASE,
)
_HELP = re.compile(
    r"contact|help|question|support|postmaster|administrator|abuse|further assistance|wenden|visit|http",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Failures:
    """Recipients in lower case, in the order they were found."""

    permanent: dict[str, None] = field(default_factory=dict)
    temporary: dict[str, None] = field(default_factory=dict)

    def add(self, address: str, *, is_permanent: bool = True) -> None:
        """Keep an address that looks like one."""
        address = address.strip().strip("<>()[]\"'., ;:").lower()
        if not address or len(address) > 320 or " " in address:
            return
        known = self.permanent if is_permanent else self.temporary
        if len(known) < MAXIMUM_RECIPIENTS:
            known[address] = None


def reported_failures(parsed: ParsedMessage) -> Failures:
    """What the machine-readable parts and headers of a bounce say (RFC 3464 §2.3)."""
    failures = Failures()
    for report in parsed.reports:
        for block in re.split(r"\n[ \t]*\n", report):
            _read_block(block, failures)
    for value in parsed.all_headers("x-failed-recipients"):
        for address in re.split(r"[,\s]+", value):
            failures.add(address)
    return failures


def _read_block(block: str, failures: Failures) -> None:
    fields: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(block[:20_000]):
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
        return
    for address in recipients:
        failures.add(address, is_permanent=not is_temporary)


def _recipient(value: str) -> str:
    """``rfc822;user@example.com`` without its type; also with a name and brackets."""
    content = value.rpartition(";")[2]
    found = _ANY_ADDRESS.search(content)
    return found[1] if found else ""


def failures_in_text(parsed: ParsedMessage, own: frozenset[str]) -> Failures:
    """Recipients named in the explanation above the returned message.

    ``own`` are addresses that cannot have failed: whom the bounce is from and to.
    """
    failures = Failures()
    lines = _explanation(parsed.own_text)
    for step in (_named, _reasoned, _listed, _any):
        for address in step(lines):
            if address.lower() not in own and split_address(address)[0] not in _NEVER:
                failures.add(address)
        if failures.permanent:
            break
    return failures


_NEVER = frozenset({"postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster"})


def _explanation(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n", MAXIMUM_LINES)[:MAXIMUM_LINES]:
        line = line[:MAXIMUM_LINE]
        if lines and _RETURNED.match(line):
            break
        lines.append(line)
    return lines


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


def failures_by_pattern(raw: bytes) -> Failures:
    """What the detectors of flufl.bounce (of Mailman) recognise."""
    failures = Failures()
    capped = b"\n".join(line[:2000] for line in raw[:MAXIMUM_RAW].split(b"\n"))
    # The detectors are regular expressions over real bounces; on made-up ones they may fail.
    with contextlib.suppress(Exception):
        temporary, permanent = all_failures(email.message_from_bytes(capped))
        for address in sorted(permanent):
            failures.add(_as_text(address))
        for address in sorted(temporary):
            failures.add(_as_text(address), is_permanent=False)
    return failures


def speaks_of_failure(text: str) -> bool:
    """Whether the beginning of a text says that mail could not be delivered."""
    return _FAILURE.search(" ".join(text[:3000].split())) is not None


def _as_text(address: bytes | str) -> str:
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else address
