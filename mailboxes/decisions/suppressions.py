"""When a message gets no automatic response: the rules of reliability §3.1, one function each.

Every function is handed one `Case` and returns the reason as a sentence, or "" where the rule does not
apply. The numbers in the codes are those of §3.1; 15 (one answer, whatever matches) is in `decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from mailboxes.classifying import is_forged, robots
from mailboxes.classifying.domains import are_related, split_address
from mailboxes.composing import UnsafeMessageError, checked_address
from mailboxes.decisions.values import Case

OLDEST = timedelta(hours=24)
MOST_RECIPIENTS = 20
MOST_HOPS = 25
CLOSED_BOXES = frozenset({"sent", "drafts", "trash", "spam"})
RESERVED = frozenset({"invalid", "test", "example", "local", "localhost", "onion", "internal"})
# What a web form says of itself: programs send it, and a service for many. Whoever filled it in is a person.
MARKS_OF_FORMS = frozenset({"no", "auto-generated", "bulk", "feedback-id"}) | frozenset(
    {"list-help", "list-unsubscribe", "list-unsubscribe-post", "x-csa-complaints"}
)
RESERVED_DOMAINS = frozenset({"example.com", "example.net", "example.org"})

Check = Callable[[Case], str]


def _null_return_path(case: Case) -> str:
    return "Its envelope sender is empty, as that of a bounce." if case.facts["has_null_return_path"] else ""


def _unusable_sender(case: Case) -> str:
    sentences = {
        "missing": "It has no sender.",
        "several": "It has several senders.",
        "group": "Its sender is a group.",
        "unparsable": "Its sender is no address.",
        "control-characters": "Its sender contains control characters.",
        "ambiguous": "Its sender can be read as two different addresses.",
    }
    problem = case.facts["sender_problem"]
    if problem:
        return sentences.get(problem, "Its sender cannot be used.")
    return "" if _is_address(case.facts["sender"]) else sentences["missing"]


def _unusable_recipient(case: Case) -> str:
    """What may be read but not written to, such as a name of 65 letters or a domain that nobody can have."""
    try:
        checked_address(case.recipient)
    except UnsafeMessageError:
        return "No answer can be sent to its address."
    return ""


def _is_address(address: str) -> bool:
    local, domain = split_address(address)
    return bool(local and domain) and not any(c.isspace() or ord(c) < 33 for c in address)


def _beyond_a_form(case: Case, found: list[str]) -> list[str]:
    """What was found, without the marks that a trusted web form may carry."""
    return [one for one in found if not (case.is_trusted_form and one in MARKS_OF_FORMS)]


def _auto_submitted(case: Case) -> str:
    is_marked = case.facts["is_auto_submitted"] and _beyond_a_form(case, case.facts["auto_submitted"])
    return "It says that a machine sent it (Auto-Submitted)." if is_marked else ""


def _list(case: Case) -> str:
    found = [] if case.is_by_own_list else _beyond_a_form(case, case.facts["list_headers"])
    return f"It comes from a mailing list or newsletter ({_shown(found)})." if found else ""


def _precedence(case: Case) -> str:
    found = [] if case.is_by_own_list else _beyond_a_form(case, case.facts["precedence"])
    return f"It is marked as bulk mail (Precedence: {_shown(found)})." if found else ""


def _response_suppressed(case: Case) -> str:
    found = case.facts["auto_response_suppress"] and not case.is_trusted_form
    return "Its sender asks for no automatic response (X-Auto-Response-Suppress)." if found else ""


def _machine_header(case: Case) -> str:
    found = case.facts["machine_headers"]
    return f"A header shows that a program wrote it ({_shown(found)})." if found else ""


def _report(case: Case) -> str:
    if case.context.is_bounce:
        return "It says that another message could not be delivered."
    found = case.facts["report_types"]
    return "It is a delivery report, a receipt or a complaint." if found else ""


def _calendar(case: Case) -> str:
    found = case.facts["calendar_methods"]
    return "It is a calendar invitation or an answer to one." if found else ""


def _robot_sender(case: Case) -> str:
    is_sent_by_robot = bool(case.facts["robot_sender"]) and not case.is_trusted_form
    local = split_address(case.recipient)[0]
    is_robot = robots.robot_pattern(local, is_list=bool(case.facts["list_headers"]))
    return f"{case.recipient} is the address of a machine." if is_robot or is_sent_by_robot else ""


def _role_sender(case: Case) -> str:
    if case.context.options.answers_roles:
        return ""
    if robots.is_role(split_address(case.recipient)[0]):
        return f"{case.recipient} is a role that is often a machine."
    is_sent_by_role = case.facts["is_role_sender"] and not case.is_trusted_form
    return "Its sender is a role that is often a machine." if is_sent_by_role else ""


def _own_address(case: Case) -> str:
    addresses = {case.recipient_canonical}
    if not case.is_trusted_form:
        addresses |= {case.facts["sender_canonical"]}
        addresses |= set() if _is_sent_by_own_list(case) else {case.facts["return_path_canonical"]}
    is_own = not addresses.isdisjoint(case.context.own_addresses)
    return "It comes from an address of this organization." if is_own else ""


def _loop_token(case: Case) -> str:
    found = case.context.carries_own_token
    return "It carries our own signed mark of an automatic response." if found else ""


def _answers_our_response(case: Case) -> str:
    found = case.context.answers_automatic_response
    return "It answers an automatic response of ours." if found else ""


def _own_message(case: Case) -> str:
    return "It is a message of our own that came back." if case.context.is_own_message else ""


def _answered_thread(case: Case) -> str:
    if case.context.is_thread_answered:
        return "This conversation has had its automatic response."
    return "" if case.context.is_opening else "It is not the first message of its conversation."


def _window(case: Case) -> str:
    until = case.context.usage.next_allowed_at
    if until is None or until <= case.context.moment:
        return ""
    return f"This mailbox has answered {case.recipient} before; next time after {until:%d %b %H:%M} UTC."


def _unaddressed(case: Case) -> str:
    if case.context.options.answers_unaddressed:
        return ""
    is_ours = not case.context.mailbox_addresses.isdisjoint(case.facts["recipients_canonical"])
    return "" if is_ours else "It is not addressed to this mailbox (To, Cc, Bcc)."


def _many_recipients(case: Case) -> str:
    count = case.facts["recipient_count"]
    if case.context.options.answers_many_recipients or count <= MOST_RECIPIENTS:
        return ""
    return f"It is addressed to {count} recipients."


def _sender_cap(case: Case) -> str:
    limits, usage = case.context.limits, case.context.usage
    most = limits.sender_per_day if _is_proven(case) else limits.sender_per_day_unproven
    if usage.sender_day_count < most:
        return ""
    return f"{case.recipient} has had {usage.sender_day_count} automatic responses in 24 hours."


def _domain_cap(case: Case) -> str:
    limits, usage = case.context.limits, case.context.usage
    most = limits.domain_per_hour if _is_proven(case) else limits.domain_per_hour_unproven
    if usage.domain_hour_count < most:
        return ""
    return f"{case.recipient_domain} has had {usage.domain_hour_count} automatic responses in an hour."


def _is_proven(case: Case) -> bool:
    """Whether the trusted server vouches for the sender; else the caps are stricter (rule 22)."""
    results = case.facts["authentication"]
    return results is not None and (results["dmarc"] == "pass" or results["has_aligned_dkim_pass"])


def _mailbox_cap(case: Case) -> str:
    limits, usage = case.context.limits, case.context.usage
    if usage.mailbox_hour_count >= limits.mailbox_per_hour:
        return f"This mailbox has sent its {limits.mailbox_per_hour} automatic responses of this hour."
    if usage.mailbox_day_count >= limits.mailbox_per_day:
        return f"This mailbox has sent its {limits.mailbox_per_day} automatic responses of this day."
    return ""


def _organization_cap(case: Case) -> str:
    limits, usage = case.context.limits, case.context.usage
    is_over = usage.organization_hour_count >= limits.organization_per_hour
    return "The organization has sent all its automatic responses of this hour." if is_over else ""


def _switched_off(case: Case) -> str:
    return case.context.switched_off


def _spam(case: Case) -> str:
    if case.context.box == "spam":
        return "It lies in the spam folder."
    found = case.facts["spam_signs"]
    return f"A spam filter marked it ({_shown(found)})." if found else ""


def _forged(case: Case) -> str:
    results = case.facts["authentication"]
    if results is None or not is_forged(results):
        return ""
    if results["dmarc"] == "fail":
        return "Its sender is probably forged (DMARC failed)."
    return "Its sender is probably forged (SPF failed, and no DKIM signature holds)."


def _dead_domain(case: Case) -> str:
    domain = case.recipient_domain
    if case.context.domain_state == "null-mx":
        return f"{domain} accepts no mail (null MX)."
    if case.context.domain_state == "missing":
        return f"{domain} does not exist."
    is_reserved = domain.rpartition(".")[2] in RESERVED or domain in RESERVED_DOMAINS
    if is_reserved and not case.context.answers_reserved_domains:
        return f"{domain} is a reserved name, which nobody can have."
    return ""


def _unrelated_return_path(case: Case) -> str:
    results = case.facts["authentication"]
    is_aligned = results is not None and results["has_aligned_dkim_pass"]
    is_expected = case.is_trusted_form or _is_sent_by_own_list(case)
    if case.facts["is_return_path_related"] or is_aligned or is_expected:
        return ""
    return "Its envelope sender is of another domain than its sender, and no signature vouches for it."


def _is_sent_by_own_list(case: Case) -> bool:
    """Whether its envelope sender is of the list that is our own address: bounces come back to the list."""
    domain = split_address(case.facts["return_path"] or "")[1]
    return case.is_by_own_list and are_related(domain, split_address(case.facts["posting_address"])[1])


def _foreign_reply_to(case: Case) -> str:
    if case.is_trusted_form or not case.context.options.suppresses_foreign_reply_to:
        return ""
    return "Its Reply-To is of another domain." if case.facts["has_foreign_reply_to"] else ""


def _ineligible(case: Case) -> str:
    return case.context.response_reason


def _old(case: Case) -> str:
    is_old = case.context.received_at < case.context.moment - OLDEST
    return "It is older than 24 hours." if is_old else ""


def _wrong_place(case: Case) -> str:
    if case.context.box in CLOSED_BOXES - {"spam"}:
        return f"It lies in {case.context.box}."
    return "It is a draft." if "\\draft" in {flag.lower() for flag in case.context.flags} else ""


def _answered_by_person(case: Case) -> str:
    if case.context.options.answers_answered:
        return ""
    return "Somebody has answered it already." if case.context.is_answered_on_server else ""


def _hop_loop(case: Case) -> str:
    if case.facts["received_count"] > MOST_HOPS:
        return f"It has passed {case.facts['received_count']} servers, as in a loop."
    ours = [a for a in case.facts["delivered_to_canonical"] if a in case.context.mailbox_addresses]
    has_come_back = len(ours) > len(set(ours))  # of two addresses, one passes mail on to the other
    return "It has been delivered here before (Delivered-To)." if has_come_back else ""


def _automatic_subject(case: Case) -> str:
    found = case.facts["has_automatic_subject_confirmed"] and not case.is_trusted_form
    return "Its subject and another sign show an automatic message." if found else ""


def _automatic_text(case: Case) -> str:
    if case.is_trusted_form or not case.facts["says_it_is_automatic"]:
        return ""
    is_like_form = case.facts["has_foreign_reply_to"] and len(case.facts["reply_to"]) == 1
    hint = " A web form is answered once its sender is listed as a trusted one." if is_like_form else ""
    return f"Its text says that a program wrote it.{hint}"


def _same_body(case: Case) -> str:
    found = case.context.usage.has_same_body
    return "The same text came from another sender of this domain within the hour." if found else ""


def _unreadable(case: Case) -> str:
    facts = case.facts
    if case.context.is_stub or facts["is_truncated"]:
        return "It could not be read whole."
    if facts["is_encrypted_only"]:
        return "It is encrypted."
    return "Its header is defective." if facts["has_defective_header"] else ""


def _cannot_send(case: Case) -> str:
    return case.context.sending_problem


def _undeliverable(case: Case) -> str:
    found = case.context.is_undeliverable
    return f"Messages to {case.recipient} came back before." if found else ""


def _no_smtputf8(case: Case) -> str:
    is_plain = split_address(case.recipient)[0].isascii()
    if is_plain or not case.context.lacks_smtputf8:
        return ""
    return "The SMTP server does not support addresses with letters beyond ASCII."


SUPPRESSIONS: tuple[tuple[str, Check], ...] = (
    ("R01-null-return-path", _null_return_path),
    ("R02-unusable-sender", _unusable_sender),
    ("R02-unusable-recipient", _unusable_recipient),
    ("R03-auto-submitted", _auto_submitted),
    ("R04-list", _list),
    ("R05-precedence", _precedence),
    ("R06-response-suppressed", _response_suppressed),
    ("R07-machine-header", _machine_header),
    ("R08-report", _report),
    ("R09-calendar", _calendar),
    ("R10-robot-sender", _robot_sender),
    ("R10-role-sender", _role_sender),
    ("R11-own-address", _own_address),
    ("R12-loop-token", _loop_token),
    ("R12-answers-our-response", _answers_our_response),
    ("R12-own-message", _own_message),
    ("R13-answered-thread", _answered_thread),
    ("R14-window", _window),
    ("R16-unaddressed", _unaddressed),
    ("R17-many-recipients", _many_recipients),
    ("R18-sender-cap", _sender_cap),
    ("R18-domain-cap", _domain_cap),
    ("R19-mailbox-cap", _mailbox_cap),
    ("R20-organization-cap", _organization_cap),
    ("R20-switched-off", _switched_off),
    ("R21-spam", _spam),
    ("R22-forged", _forged),
    ("R23-dead-domain", _dead_domain),
    ("R24-unrelated-return-path", _unrelated_return_path),
    ("R25-foreign-reply-to", _foreign_reply_to),
    ("R26-ineligible", _ineligible),
    ("R26-old", _old),
    ("R27-wrong-place", _wrong_place),
    ("R27-answered-by-person", _answered_by_person),
    ("R28-hop-loop", _hop_loop),
    ("R29-automatic-subject", _automatic_subject),
    ("R29-automatic-text", _automatic_text),
    ("R30-same-body", _same_body),
    ("R31-unreadable", _unreadable),
    ("R32-cannot-send", _cannot_send),
    ("R33-undeliverable", _undeliverable),
    ("R34-no-smtputf8", _no_smtputf8),
)


def _shown(names: list[str]) -> str:
    return ", ".join(name[:40] for name in names[:3])
