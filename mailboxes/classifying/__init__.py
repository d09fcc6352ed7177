"""What kind of message it is: from a person, from a machine, a list, a bounce, spam.

Pure, and about one message only. What the installation knows (own addresses, earlier answers,
limits) is added by ``decide()``, which reads ``Facts``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from mailboxes.classifying import bounces, robots, sentences, subjects
from mailboxes.classifying.authentication import authentication, is_forged
from mailboxes.classifying.bounces import reported_ids
from mailboxes.classifying.domains import (
    are_related,
    canonical_address,
    decoded_address,
    split_address,
)
from mailboxes.classifying.facts import Authentication, Facts
from mailboxes.classifying.headers import Headers
from mailboxes.classifying.lists import posting_address
from mailboxes.parsing import ParsedMessage, address_list
from mailboxes.subjects import base_subject, is_about_another

__all__ = [
    "BY_SUBJECT",
    "BY_TEXT",
    "OF_LISTS",
    "Authentication",
    "Classification",
    "Facts",
    "are_related",
    "canonical_address",
    "classify",
    "is_forged",
    "list_of_envelope",
    "reported_ids",
    "sentence_of",
]

BY_SUBJECT = "automatic-subject"
BY_TEXT = "automatic-text"
OF_LISTS = frozenset({"list", "precedence"})
LOOP_HEADER = "x-postroom-loop"

SENTENCES = {
    "null-return-path": "The envelope sender is empty, as that of a bounce.",
    "auto-submitted": "The message says that a machine sent it (Auto-Submitted).",
    "list": "The message comes from a mailing list.",
    "precedence": "The message is marked as bulk mail (Precedence).",
    "auto-response-suppress": "The sender asks for no automatic response.",
    "machine-header": "A header shows that a program wrote the message.",
    "report": "The message is a delivery report, a receipt or a complaint.",
    "calendar": "The message is a calendar invitation or an answer to one.",
    "robot-sender": "The sender's address belongs to a machine.",
    BY_SUBJECT: "Its subject and another sign show an automatic message.",
    BY_TEXT: "Its text says that a program wrote it.",
    "bounce": "The message says that another message could not be delivered.",
}

_DEFECTIVE = frozenset(
    {"header-too-large", "too-many-headers", "line-without-colon-in-header", "ambiguous-from"}
    | {"no-body-separator", "control-characters-in-subject"}
)
_TRUNCATED = frozenset({"text-cut", "too-many-parts", "too-deep", "too-many-addresses"})
_FIRST_WORDS, _NOTE = 120, 1_000  # characters
_WHITE_SPACE = bytes(code for code in range(128) if chr(code).isspace())


@dataclass(frozen=True, slots=True)
class Classification:
    """``automatic_reasons`` are keys of ``SENTENCES``; ``facts`` is for ``decide()``."""

    is_automatic: bool
    automatic_reasons: tuple[str, ...]
    is_bounce: bool
    failed_recipients: tuple[str, ...]
    is_list: bool
    is_spam: bool
    return_path: str | None
    authentication: Authentication | None
    facts: Facts


def sentence_of(reason: str) -> str:
    """A reason as a person reads it."""
    return SENTENCES.get(reason, reason)


def classify(
    parsed: ParsedMessage,
    raw: bytes = b"",
    *,
    trusted_authserv_id: str | None = None,
    with_body_hash: bool = True,
) -> Classification:
    """Classify one message. ``raw`` is looked at only where it may be a bounce."""
    facts = _facts(parsed, trusted_authserv_id)
    if with_body_hash:
        facts["body_hash"] = _body_hash(parsed.own_text)
    is_bounce, failures = _bounce(parsed, raw, facts)
    reasons = _reasons(facts, is_bounce=is_bounce)
    return Classification(
        is_automatic=bool(reasons),
        automatic_reasons=reasons,
        is_bounce=is_bounce,
        failed_recipients=tuple(failures.permanent),
        is_list=_is_list(facts),
        is_spam=bool(facts["spam_signs"]),
        return_path=facts["return_path"],
        authentication=facts["authentication"],
        facts=facts,
    )


def _is_list(facts: Facts) -> bool:
    """By headers, or by the envelope sender that list software takes."""
    is_bulk = not {"list", "bulk"}.isdisjoint(facts["precedence"])
    return bool(facts["list_headers"]) or is_bulk or _has_list_envelope(facts)


def _has_list_envelope(facts: Facts) -> bool:
    return bool(robots.list_of_envelope(split_address(facts["return_path"] or "")[0]))


def _is_sent_by_list(facts: Facts) -> bool:
    """Whether list software without headers of its own, as before there were any, passed on a letter."""
    return _has_list_envelope(facts) and not facts["is_return_path_related"]


def list_of_envelope(facts: Facts) -> str:
    """The canonical address of the list whose envelope sender is all that tells of it, or "".

    An alias with an owner is such a list, too (Postfix, Sendmail).
    """
    if facts["list_headers"] or facts["precedence"]:
        return ""
    local_part, domain = split_address(facts["return_path"] or "")
    found = robots.list_of_envelope(local_part)
    return canonical_address(f"{found}@{domain}") if found else ""


def _reasons(facts: Facts, *, is_bounce: bool) -> tuple[str, ...]:
    found = {
        "null-return-path": facts["has_null_return_path"],
        "auto-submitted": facts["is_auto_submitted"] and not _is_marked_by_a_rule(facts),
        "list": facts["list_headers"] or _is_sent_by_list(facts),
        "precedence": facts["precedence"],
        "auto-response-suppress": facts["auto_response_suppress"],
        "machine-header": facts["machine_headers"],
        "report": facts["report_types"],
        "calendar": facts["calendar_methods"],
        "robot-sender": facts["robot_sender"],
        BY_SUBJECT: facts["has_automatic_subject_confirmed"],
        BY_TEXT: facts["says_it_is_automatic"],
        "bounce": is_bounce,
    }
    return tuple(reason for reason, value in found.items() if value)


def _is_marked_by_a_rule(facts: Facts) -> bool:
    """A letter may be somebody's although Exchange says "auto-generated" of all that its rules pass on.

    Whoever wrote it may have said so, too: it is not answered.
    """
    return facts["is_redirected"] and facts["auto_submitted"] == ["auto-generated"]


def _facts(parsed: ParsedMessage, trusted_authserv_id: str | None) -> Facts:
    headers = Headers(parsed)
    sender, problem = _sender(parsed, headers)
    local_part, sender_domain = split_address(decoded_address(sender))
    list_headers = headers.list_headers()
    return_path = headers.return_path()
    return_path_domain = split_address(decoded_address(return_path or ""))[1]
    subject_sign = subjects.automatic_subject(parsed.subject)
    auto_submitted = headers.first_words("auto-submitted")
    precedence = headers.words(("precedence", "x-precedence"), robots.SUPPRESSING_PRECEDENCE)
    facts = Facts(
        return_path=return_path,
        has_null_return_path=headers.has_null_return_path(),
        sender=sender,
        sender_problem=problem,
        auto_submitted=auto_submitted,
        is_auto_submitted=any(word != "no" for word in auto_submitted),
        is_redirected=headers.is_redirected(),
        list_headers=list_headers,
        posting_address=posting_address(headers, list_headers, precedence),
        precedence=precedence,
        auto_response_suppress=headers.words(("x-auto-response-suppress",), robots.SUPPRESSING_RESPONSE),
        machine_headers=headers.machine_headers(),
        report_types=_report_types(parsed),
        calendar_methods=[m for m in parsed.calendar_methods if m in robots.SUPPRESSING_METHODS],
        robot_sender=robots.robot_pattern(local_part, is_list=bool(list_headers))
        or robots.daemon_pattern(split_address(return_path or "")[0]),
        is_role_sender=robots.is_role(local_part) or _is_named_as_daemon(parsed),
        sender_canonical=canonical_address(sender) if sender else "",
        return_path_canonical=canonical_address(return_path) if return_path else "",
        message_id=parsed.message_id or "",
        in_reply_to=parsed.in_reply_to or "",
        references=list(parsed.references),
        loop_tokens=headers.all(LOOP_HEADER),
        recipients_canonical=_recipients(parsed, headers),
        recipient_count=len(parsed.to) + len(parsed.cc),
        spam_signs=headers.spam_signs(),
        authentication=authentication(parsed.headers, trusted_authserv_id, sender_domain),
        sender_domain=sender_domain,
        is_return_path_related=not return_path_domain or are_related(return_path_domain, sender_domain),
        reply_to=[address.address.lower() for address in parsed.reply_to],
        has_foreign_reply_to=_has_foreign_reply_to(parsed, sender_domain),
        received_count=len(headers.all("received")),
        delivered_to_canonical=headers.delivered_to(),
        automatic_subject=subject_sign,
        has_automatic_subject_confirmed=False,
        says_it_is_automatic=_says_what_it_is(parsed),
        body_hash="",
        is_encrypted_only=_is_encrypted_only(parsed),
        has_defective_header=bool(_DEFECTIVE.intersection(parsed.defects)),
        is_truncated=bool(_TRUNCATED.intersection(parsed.defects)),
        defects=list(parsed.defects),
    )
    facts["has_automatic_subject_confirmed"] = _is_confirmed(parsed, facts)
    return facts


def _is_confirmed(parsed: ParsedMessage, facts: Facts) -> bool:
    """One more sign beside an automatic subject (rule 29).

    People write of holidays and of parcels that could not be delivered, and answer in such threads ("Re: …").
    """
    kind = facts["automatic_subject"]
    if not kind:
        return False
    if facts["is_role_sender"] or facts["robot_sender"] or facts["has_null_return_path"]:
        return True
    return _CONFIRMED_BY[kind](parsed, _is_answer(facts))


def _says_what_it_is(parsed: ParsedMessage) -> bool:
    """By the text alone, of an answer ("Re: …") by its first words. Absence is no such text: people thank for
    mail and speak of holidays, too."""
    is_reply = is_about_another(parsed.subject, None, ())
    text = parsed.own_text[:_FIRST_WORDS] if is_reply else parsed.own_text
    return sentences.says_it_is_automatic(text) or sentences.challenges_the_sender(parsed.own_text)


def _is_answer(facts: Facts) -> bool:
    return bool(facts["in_reply_to"] or facts["references"])


def _is_absence_note(parsed: ParsedMessage) -> bool:
    text = parsed.own_text[:_NOTE]
    return sentences.speaks_of_absence(text) and sentences.answers_a_mail(text)


# What confirms a subject of each kind, of a message that answers another one or does not.
_CONFIRMED_BY: dict[str, Callable[[ParsedMessage, bool], bool]] = {
    subjects.REPORT: lambda parsed, is_answer: True,
    subjects.RECEIPT: lambda parsed, is_answer: sentences.says_it_was_read(parsed.own_text),
    subjects.BOUNCE: lambda parsed, is_answer: (
        bool(parsed.returned_headers) or (is_answer and not base_subject(parsed.subject)[1])
    ),
    subjects.REPLY: lambda parsed, is_answer: is_answer or sentences.speaks_of_absence(parsed.own_text),
    subjects.AWAY: lambda parsed, is_answer: is_answer or _is_absence_note(parsed),
    subjects.ABSENCE: lambda parsed, is_answer: is_answer and sentences.speaks_of_absence(parsed.own_text),
}


def _sender(parsed: ParsedMessage, headers: Headers) -> tuple[str, str]:
    """The one usable From in lower case, and what is wrong with it (rule 2)."""
    values = headers.all("from")
    if not values or not any(value.strip() for value in values):
        return "", "missing"
    sender = parsed.sender
    address = sender.address.lower() if sender else ""
    if len(values) > 1 or len(parsed.senders) > 1:
        return address, "several"
    if not parsed.senders:
        return "", "group" if ":" in values[0] else "unparsable"
    return address, _problem_of(address, parsed)


def _problem_of(address: str, parsed: ParsedMessage) -> str:
    if "group-in-from" in parsed.defects:
        return "group"
    if "control-characters-in-from" in parsed.defects:
        return "control-characters"
    if "ambiguous-from" in parsed.defects:
        return "ambiguous"
    local_part, domain = split_address(address)
    is_usable = local_part and domain and not re.search(r"[\s<>,;:\"\\]", address)
    return "" if is_usable else "unparsable"


def _is_named_as_daemon(parsed: ParsedMessage) -> bool:
    name = parsed.sender.name if parsed.sender else parsed.header("from") or ""
    return robots.is_daemon_name(name)


def _recipients(parsed: ParsedMessage, headers: Headers) -> list[str]:
    addresses = [address.address for address in (*parsed.to, *parsed.cc, *parsed.bcc)]
    for name in ("resent-to", "resent-cc", "resent-bcc"):
        for value in headers.all(name):
            addresses += [address.address for address in address_list(value).addresses]
    return list(dict.fromkeys(canonical_address(address) for address in addresses))[:500]


def _has_foreign_reply_to(parsed: ParsedMessage, sender_domain: str) -> bool:
    domains = [split_address(address.address)[1] for address in parsed.reply_to]
    return any(not are_related(domain, sender_domain) for domain in domains)


def _report_types(parsed: ParsedMessage) -> list[str]:
    """Types of reports within three levels; ``parts`` are not those of a message that somebody forwards."""
    types = [part.content_type for part in parsed.parts if part.depth <= 3]
    return list(dict.fromkeys(name for name in types if name in robots.REPORT_TYPES))


def _is_encrypted_only(parsed: ParsedMessage) -> bool:
    types = [part.content_type for part in parsed.parts[:1]]
    if types == ["multipart/encrypted"] or parsed.own_text.lstrip().startswith("-----BEGIN PGP MESSAGE"):
        return True
    if types and types[0] in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        is_signed = dict(parsed.parts[0].parameters).get("smime-type") == "signed-data"
        return not is_signed and len(parsed.parts) == 1
    return False


def _body_hash(text: str) -> str:
    if text.isascii():  # by bytes that is several times faster
        squeezed = text.encode("ascii").translate(None, _WHITE_SPACE).lower()
    else:
        squeezed = "".join(text.split()).lower().encode("utf-8", "replace")
    return hashlib.sha256(squeezed).hexdigest()[:32]


def _bounce(parsed: ParsedMessage, raw: bytes, facts: Facts) -> tuple[bool, bounces.Failures]:
    """Whether the message is a bounce, and whom it is about."""
    failures = bounces.Failures()
    if parsed.reports or "x-failed-recipients" in facts["machine_headers"]:
        failures = bounces.reported_failures(parsed)
    if failures.permanent or failures.temporary:
        return True, failures
    if failures.has_success:
        return False, failures  # a receipt: it was delivered, whatever the words around that are
    has_sign, has_subject = _has_bounce_sign(facts), facts["automatic_subject"] == subjects.BOUNCE
    if _is_other_report(facts) or not (has_sign or has_subject):
        return False, failures  # people quote bounces, too: their text alone proves nothing
    own = frozenset(address.address.lower() for address in parsed.to)
    is_of_a_server = not parsed.reports and (has_sign or bounces.speaks_as_a_server(parsed))
    by_pattern = bounces.failures_by_pattern(raw, own) if is_of_a_server else bounces.Failures()
    if by_pattern.permanent and not by_pattern.temporary:
        bounces.add_reasoned(by_pattern, parsed, own | {facts["sender"]})
    if by_pattern.permanent or by_pattern.temporary:
        return True, by_pattern
    says_so = has_subject or sentences.speaks_of_failure(parsed.own_text)
    own |= {facts["sender"]}
    in_text = bounces.failures_in_text(parsed, own, only_plain=not (says_so and has_sign), is_proven=has_sign)
    is_daemon = facts["robot_sender"] in ("daemon", "bounce")
    names_somebody = bool(in_text.permanent or in_text.temporary)
    is_bounce = says_so if has_sign else names_somebody
    return is_bounce or (is_daemon and names_somebody), in_text


def _is_other_report(facts: Facts) -> bool:
    """Complaints and receipts are reports, but nothing has failed."""
    return bool({"message/feedback-report", "message/disposition-notification"} & set(facts["report_types"]))


def _has_bounce_sign(facts: Facts) -> bool:
    """A sign beside the text: without one, only what names a failed recipient is a bounce."""
    return bool(
        facts["report_types"]
        or facts["has_null_return_path"]
        or facts["robot_sender"] in ("daemon", "bounce")
        or facts["is_role_sender"]
    )
