"""The facts about a message that the rules of reliability §3.1 ask for: plain, JSON-serialisable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast


class Authentication(TypedDict):
    """Results of the trusted server (RFC 8601), each in lower case; "" where it said nothing."""

    dmarc: str
    spf: str
    dkim: str
    has_aligned_dkim_pass: bool


class Facts(TypedDict):
    """What a message says about itself; ``decide()`` adds what the installation knows.

    All addresses are in lower case. *Canonical* means as ``canonical_address`` makes them: to
    compare with other canonical addresses, never to send to.

    Rule 1: ``return_path`` (the first Return-Path; None without the header, "" when it is null),
    ``has_null_return_path`` (any instance is empty or ``<>``).
    Rule 2: ``sender`` (the one usable From, else ""), ``sender_problem`` ("" or one of missing,
    several, group, unparsable, control-characters, ambiguous).
    Rule 3: ``auto_submitted`` (the first word of each instance), ``is_auto_submitted`` (any but ``no``),
    ``is_redirected`` (an inbox rule of Exchange passed a letter on; since 2025 it calls that auto-generated).
    Rule 4: ``list_headers`` (names, lower case), ``posting_address`` (canonical: where one writes to the
    list; "" unless all these headers are of one). Rule 5: ``precedence`` (the suppressing values).
    Rule 6: ``auto_response_suppress`` (the suppressing values). Rule 7: ``machine_headers`` (names).
    Rule 8: ``report_types`` (content types within the first three levels).
    Rule 9: ``calendar_methods`` (the suppressing ones).
    Rule 10: ``robot_sender`` (the pattern that the local part matches, decoded from SRS, BATV and
    sub-address, or ""), ``is_role_sender`` (postmaster°, alert°: an administrator may allow).
    Rule 11: ``sender_canonical``, ``return_path_canonical`` (each "" where there is none).
    Rule 12: ``message_id``, ``in_reply_to``, ``references``, ``loop_tokens`` (values of our header).
    Rules 16, 17: ``recipients_canonical`` (To, Cc, Bcc, Resent-*), ``recipient_count`` (To and Cc).
    Rule 21: ``spam_signs`` (names of the headers that say so).
    Rule 22: ``authentication`` (None without a result of the trusted server).
    Rule 24: ``sender_domain``, ``is_return_path_related`` (True when there is no Return-Path to compare).
    Rule 25: ``reply_to``, ``has_foreign_reply_to``.
    Rule 28: ``received_count``, ``delivered_to_canonical`` (with repetitions).
    Rule 29: ``automatic_subject`` ("" or which pattern), ``has_automatic_subject_confirmed`` (one
    more sign agrees), ``says_it_is_automatic`` (its text does).
    Rule 30: ``body_hash`` (hex; of the text without white space and case; "" of what is never answered).
    Rule 31: ``is_encrypted_only``, ``has_defective_header``, ``is_truncated``, ``defects``.
    """

    return_path: str | None
    has_null_return_path: bool
    sender: str
    sender_problem: str
    auto_submitted: list[str]
    is_auto_submitted: bool
    is_redirected: bool
    list_headers: list[str]
    posting_address: str
    precedence: list[str]
    auto_response_suppress: list[str]
    machine_headers: list[str]
    report_types: list[str]
    calendar_methods: list[str]
    robot_sender: str
    is_role_sender: bool
    sender_canonical: str
    return_path_canonical: str
    message_id: str
    in_reply_to: str
    references: list[str]
    loop_tokens: list[str]
    recipients_canonical: list[str]
    recipient_count: int
    spam_signs: list[str]
    authentication: Authentication | None
    sender_domain: str
    is_return_path_related: bool
    reply_to: list[str]
    has_foreign_reply_to: bool
    received_count: int
    delivered_to_canonical: list[str]
    automatic_subject: str
    has_automatic_subject_confirmed: bool
    says_it_is_automatic: bool
    body_hash: str
    is_encrypted_only: bool
    has_defective_header: bool
    is_truncated: bool
    defects: list[str]


# A message of which nothing is known.
NOTHING = Facts(
    return_path=None,
    has_null_return_path=False,
    sender="",
    sender_problem="",
    auto_submitted=[],
    is_auto_submitted=False,
    is_redirected=False,
    list_headers=[],
    posting_address="",
    precedence=[],
    auto_response_suppress=[],
    machine_headers=[],
    report_types=[],
    calendar_methods=[],
    robot_sender="",
    is_role_sender=False,
    sender_canonical="",
    return_path_canonical="",
    message_id="",
    in_reply_to="",
    references=[],
    loop_tokens=[],
    recipients_canonical=[],
    recipient_count=0,
    spam_signs=[],
    authentication=None,
    sender_domain="",
    is_return_path_related=True,
    reply_to=[],
    has_foreign_reply_to=False,
    received_count=0,
    delivered_to_canonical=[],
    automatic_subject="",
    has_automatic_subject_confirmed=False,
    says_it_is_automatic=False,
    body_hash="",
    is_encrypted_only=False,
    has_defective_header=False,
    is_truncated=False,
    defects=[],
)


def told(facts: Facts) -> dict[str, Any]:
    """What these facts say beyond `NOTHING`: most of a message is silent, and each fact is stored."""
    return {name: value for name, value in facts.items() if value != NOTHING[name]}  # type: ignore[literal-required]


def facts_told(stored: Mapping[str, Any]) -> Facts:
    """All facts again, of what `told` left of them."""
    return cast("Facts", {**NOTHING, **stored})
