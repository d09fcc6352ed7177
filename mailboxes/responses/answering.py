"""One message is answered, or the reasons why not are written down.

The decision is pure (`mailboxes.decisions`); here it gets its facts, and what follows from it is claimed
in one transaction: the message, the conversation, the sender's window, and the frozen message to send.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mailboxes import loops, outgoing, templates, timeline
from mailboxes.classifying import canonical_address
from mailboxes.crm.contacts import contact_with_address
from mailboxes.decisions import NO_RULE, Context, Decision, Reason, Rule, Usage, case_of, decide
from mailboxes.messages import Message, mailbox_of, wait_for_others
from mailboxes.responses.bounces import note_bounce
from mailboxes.responses.claims import (
    STAGE,
    AutomaticResponse,
    take_turns,
    take_window,
    was_decided,
)
from mailboxes.responses.knowing import (
    active_rules,
    as_rule,
    facts_of,
    is_thread_answered,
    know_usage,
    know_what_to_answer,
    known_about,
    limits_in_force,
    question_about,
    shared_account_of,
    with_domain,
    with_usage,
)
from mailboxes.responses.usage import Question, answered_in_portion
from mailboxes.rules import AutoResponseRule, rule_of
from mailboxes.shadow import ANSWER, SHADOW, is_in_shadow, would_have_answered_since
from mailboxes.template_values import harmless_subject, values_for
from mailboxes.templates import Rendered
from mailboxes.templating import TemplateError
from mailboxes.threads.summaries import refresh_summaries
from tenants.configuration.catalog import LANGUAGES
from tenants.configuration.layers import value_of
from tenants.database import now
from tenants.database.portions import do_later, write_later

LONGEST_ANSWER = 50_000  # characters of text and HTML together
SHOWN_REASONS = 3
ALREADY = Decision(False, None, (Reason("already-decided", "The rules have been asked about it."),))
WITHOUT_RULES = Decision(False, None, (Reason(NO_RULE, "The mailbox has no active rule."),))
ANSWERED, NOT_ANSWERED = "answered", "not answered"
WOULD_HAVE_ANSWERED = "would have answered"


def respond(message: Message) -> Decision:
    """Answer one message. Safe to call again: what was decided stays decided. The caller commits."""
    considered = _considered(message)
    return ALREADY if considered is None else _concluded(message, considered)


def respond_to_all(messages: Sequence[Message]) -> list[Decision]:
    """`respond` to each message of a portion; the caller has its organization's turn (`hold_turn`)."""
    know_what_to_answer(messages)
    considered = [_considered(message) for message in messages]
    questions = [one.question for one in considered if one is not None and one.question is not None]
    if questions:
        know_usage(questions)
    pairs = zip(messages, considered, strict=True)
    return [ALREADY if one is None else _concluded(message, one) for message, one in pairs]


@dataclass(frozen=True, slots=True)
class _Considered:
    """A decision that counts nothing yet; with a ``question``, what was sent decides."""

    decision: Decision
    context: Context | None = None
    question: Question | None = None


def _considered(message: Message) -> _Considered | None:
    """Cheap questions come first, DNS comes last. None: it was decided already."""
    wait_for_others(message)
    if message.direction != "in" or was_decided(message.id):
        return None
    if message.is_bounce:
        note_bounce(message)
    rules = active_rules(mailbox_of(message))
    if not rules:
        return _Considered(WITHOUT_RULES)
    facts, context = facts_of(message), known_about(message, rules)
    decision = decide(facts, context)
    if not decision.send:
        return _Considered(decision)
    context = with_domain(message, context)
    return _Considered(decision, context, question_about(message, case_of(facts, context)))


def _concluded(message: Message, considered: _Considered) -> Decision:
    decision, answer = _decided(message, considered)
    if is_in_shadow(message):
        _tell_shadow(message, decision, answer)
        return replace(decision, send=False)
    if answer is not None and not _has_window(message, decision):
        decision, answer = _against(decision, "R14-window", "Somebody was faster."), None
    _tell(message, decision, answer)
    if answer is not None and considered.question is not None:
        _answer(message, decision, answer, considered.question)
    return decision


def rehearse(message: Message, rules: list[AutoResponseRule] | None = None) -> Decision:
    """What would have been decided when a message came, with these rules or the mailbox's active ones.

    Nothing is sent or kept; how often somebody was answered since does not count.
    """
    context = known_about(message, None if rules is None else [as_rule(rule) for rule in rules])
    return decide(
        facts_of(message),
        replace(
            context,
            moment=context.received_at,
            rules=tuple(_as_always(rule, context.received_at) for rule in context.rules),
            usage=Usage(),
            is_thread_answered=False,
        ),
    )


def rehearse_loops() -> list[loops.Course]:
    """How a rule would get on with other machines, within the limits of the organization."""
    return loops.rehearse_loops(limits_in_force(), _window())


def preview(rule: AutoResponseRule, message: Message, language: str | None = None) -> Rendered:
    """What this rule would answer to a message, in the language that would be chosen, or in another."""
    return _rendered(message, rule, rehearse(message, [rule]).recipient or message.sender_address, language)


def languages_for(message: Message, address: str) -> list[str | None]:
    """What an answer is best written in: as the message is, as the contact prefers."""
    contact = contact_with_address(address)
    return [message.language, contact.language if contact is not None else None]


def _decided(message: Message, considered: _Considered) -> tuple[Decision, Rendered | None]:
    """The decision, and the answer where there is one."""
    decision = considered.decision
    if considered.context is not None and considered.question is not None:
        take_turns()
        context = with_usage(message, considered.context, considered.question)
        decision = decide(facts_of(message), context)
    if not decision.send or decision.rule_id is None:
        return decision, None
    rule = rule_of(mailbox_of(message), decision.rule_id)
    try:
        answer = _rendered(message, rule, decision.recipient)
    except TemplateError as error:
        return _against(decision, "R32-template", f"The template cannot be filled in. {error.message}"), None
    if answer.is_empty:
        return _against(decision, "R32-template", "The template is empty for this message."), None
    if len(answer.text) + len(answer.html or "") > LONGEST_ANSWER:
        return _against(decision, "R32-template", "The answer is larger than 50 KB."), None
    return decision, answer


def _rendered(
    message: Message, rule: AutoResponseRule, recipient: str, language: str | None = None
) -> Rendered:
    template = templates.template_of(rule.template_id)
    wanted = [language, *languages_for(message, recipient)]
    answer = templates.render(template, wanted, values_for(message, address=recipient))
    subject = answer.subject or f"Auto: {harmless_subject(message.subject)}".strip()
    return replace(answer, subject=subject)


def _has_window(message: Message, decision: Decision) -> bool:
    shared = shared_account_of(message)
    return take_window(message, canonical_address(decision.recipient), _window(), shared)


def _window() -> timedelta:
    return timedelta(hours=int(value_of("response.window_hours")))


def _answer(message: Message, decision: Decision, answer: Rendered, question: Question) -> None:
    """Freeze the answer, and claim message and conversation for it."""
    mailbox = mailbox_of(message)
    recipient = canonical_address(decision.recipient)
    outgoing_id = outgoing.queue_automatic_response(message, mailbox, decision.recipient, answer)
    row = {
        "mailbox_id": message.mailbox_id,
        "message_id": message.id,
        "thread_id": message.thread_id,
        "rule_id": decision.rule_id,
        "outgoing_id": outgoing_id,
        "recipient": recipient,
        "body_hash": question.body_hash,
    }
    write_later(AutomaticResponse, row)
    do_later(refresh_summaries, message.thread_id)
    is_thread_answered.know(True, message.thread_id)
    answered = answered_in_portion()
    if answered is not None:
        answered.add(replace(question, recipient=recipient), now() + _window())
    timeline.record(message, "queued", "queued", f"An automatic response to {decision.recipient}.")


def _tell(message: Message, decision: Decision, answer: Rendered | None) -> None:
    """The decision with all its reasons, on the timeline of the message."""
    sentences = [reason.sentence for reason in decision.reasons]
    shown = " ".join(sentences[:SHOWN_REASONS])
    if answer is not None:
        shown += f" The answer goes to {decision.recipient}" + (
            f" in {LANGUAGES.get(answer.language, answer.language)}." if answer.language else "."
        )
    details: dict[str, Any] = {
        "reasons": [{"code": reason.code, "sentence": reason.sentence} for reason in decision.reasons],
        "rule_id": str(decision.rule_id) if decision.rule_id else None,
        "recipient": decision.recipient,
    }
    timeline.record(message, STAGE, ANSWERED if answer is not None else NOT_ANSWERED, shown, details=details)
    was_decided.know(True, message.id)


def _tell_shadow(message: Message, decision: Decision, answer: Rendered | None) -> None:
    """What would have been decided: nothing is claimed, counted or queued."""
    reasons = " ".join(reason.sentence for reason in decision.reasons[:SHOWN_REASONS])
    recipient = canonical_address(decision.recipient)
    since = now() - _window()
    if answer is not None and would_have_answered_since(message.mailbox_id, recipient, since):
        answer, reasons = None, f"This mailbox would have answered {decision.recipient} before."
    details: dict[str, Any] = {
        SHADOW: ANSWER if answer is not None else "",
        "rule_id": str(decision.rule_id) if decision.rule_id else None,
        "recipient": decision.recipient,
        "canonical": recipient,
    }
    said = f"Shadow: would not have answered. {reasons}"
    if answer is not None and decision.rule_id is not None:
        rule = rule_of(mailbox_of(message), decision.rule_id)
        template = templates.template_of(rule.template_id)
        named = "a response of its own" if template.is_custom else f"template “{template.name}”"
        language = LANGUAGES.get(answer.language, answer.language) if answer.language else "no language"
        said = (
            f"Shadow: would have answered {decision.recipient} with rule “{rule.name}”, {named}, "
            f"in {language}, because: {reasons}"
        )
    result = WOULD_HAVE_ANSWERED if answer is not None else NOT_ANSWERED
    timeline.record(message, STAGE, result, said, details=details)


def _against(decision: Decision, code: str, sentence: str) -> Decision:
    return replace(decision, send=False, reasons=(Reason(code, sentence),))


def _as_always(rule: Rule, moment: datetime) -> Rule:
    return replace(rule, active_since=min(rule.active_since, moment))
