"""What the installation knows about a message, gathered for `decide`."""

from collections.abc import Collection, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from mailboxes.classifying import Facts, canonical_address
from mailboxes.classifying.domains import split_address
from mailboxes.classifying.facts import facts_told
from mailboxes.conditions import HEADER, MessageFields, conditions_from
from mailboxes.decisions import Context, Limits, Options, Rule
from mailboxes.decisions.values import Case, case_of
from mailboxes.loop_tokens import is_own_loop_token
from mailboxes.mail_domains import domain_state
from mailboxes.messages import Location, Message, mailbox_of
from mailboxes.outgoing import AUTOMATIC, REPLY, Outgoing, sending_problem
from mailboxes.outgoing.routes import account_behind
from mailboxes.parsing import Address, parse
from mailboxes.raws import raw_content
from mailboxes.responses.claims import AutomaticResponse, account_window, decided_among, was_decided
from mailboxes.responses.usage import Question, answered_for, answered_in_portion
from mailboxes.rules import AutoResponseRule, rules_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.template_values import know_links
from mailboxes.undeliverable import is_undeliverable, know_undeliverable
from tenants.application import settings_of
from tenants.configuration.catalog import CATALOG, ORGANIZATION
from tenants.configuration.layers import Effective, effective_all
from tenants.database import db, now
from tenants.database.bulk import among
from tenants.database.portions import asked_once

NO_SMTPUTF8 = "The server does not support addresses with letters beyond ASCII."
REMEMBERED = timedelta(days=30)


def facts_of(message: Message) -> Facts:
    """What the classifier saw, as it was stored at delivery."""
    return facts_told(message.facts)


def shared_account_of(message: Message) -> UUID | None:
    """The copied account of which this message's mailbox is one of many: all of them share its limits."""
    mailbox = mailbox_of(message)
    account = account_behind(mailbox) if mailbox.is_global else None
    return account.id if account is not None and account.is_copied else None


def known_about(message: Message, rules: Sequence[Rule] | None = None) -> Context:
    """Everything but what has been sent so far (`with_usage`) and DNS (`with_domain`)."""
    facts, mailbox = facts_of(message), mailbox_of(message)
    given = active_rules(mailbox) if rules is None else tuple(rules)
    settings, ledger = _settings(), _ledger(_ids_of(facts))
    context = Context(
        moment=now(),
        received_at=message.received_at or message.arrived_at,
        fields=fields_of(message, given),
        rules=given,
        own_addresses=_own_addresses(str(settings["notice.sender_address"].value)),
        mailbox_addresses=_canonical([mailbox.address, *mailbox.aliases]),
        trusted_forms=frozenset(address.lower() for address in mailbox.trusted_forms),
        response_reason="" if message.may_respond or not message.is_opening else message.response_reason,
        box=message.box,
        flags=_flags(message.id),
        is_opening=message.is_opening,
        is_thread_answered=is_thread_answered(message.thread_id),
        is_answered_on_server=message.is_answered_on_server,
        is_stub=message.is_stub,
        is_bounce=message.is_bounce,
        carries_own_token=is_own_loop_token(facts["loop_tokens"]),
        answers_automatic_response=any(
            (id, AUTOMATIC) in ledger for id in (facts["in_reply_to"], *facts["references"])
        ),
        is_own_message=any((facts["message_id"], kind) in ledger for kind in (AUTOMATIC, REPLY)),
        answers_reserved_domains=settings_of(current_app).answers_reserved_domains,
        switched_off=_switched_off(settings["response.enabled"]),
        sending_problem=sending_problem(mailbox) if given else "",
        limits=limits_in_force(),
        options=Options(answers_unaddressed=mailbox.answers_unaddressed),
    )
    case = case_of(facts, context)
    return replace(
        context,
        is_undeliverable=is_undeliverable(case.recipient),
        lacks_smtputf8=not case.recipient.isascii() and _lacks_smtputf8(mailbox),
    )


def limits_in_force() -> Limits:
    """How many automatic responses a mailbox of the organization may send."""
    settings = _settings()
    return Limits(
        mailbox_per_hour=int(settings["response.hourly_limit"].value),
        mailbox_per_day=int(settings["response.daily_limit"].value),
    )


def with_usage(message: Message, context: Context, asked: Question) -> Context:
    """Add what was sent so far; `take_turns` first, or others send meanwhile."""
    answered = answered_in_portion() or answered_for([asked])
    usage = answered.usage(asked)
    others = _next_allowed_elsewhere(message, asked.recipient)
    usage = replace(
        usage,
        next_allowed_at=max((at for at in (usage.next_allowed_at, others) if at is not None), default=None),
        has_same_body=usage.has_same_body and bool(message.text.strip()),
    )
    return replace(context, usage=usage, is_thread_answered=is_thread_answered(message.thread_id))


def question_about(message: Message, case: Case) -> Question:
    """What is to be counted before a message is answered."""
    return Question(
        message.mailbox_id, case.recipient_canonical, case.recipient_domain, body_hash(case.facts)
    )


def know_what_to_answer(messages: Sequence[Message]) -> None:
    """Ask together what `known_about` and `with_usage` ask about each message of a portion."""
    facts = {message.id: facts_of(message) for message in messages}
    _know_ledger([_ids_of(one) for one in facts.values()])
    _know_flags(facts)
    _know_answered_threads({message.thread_id for message in messages})
    people = {one["sender"] for one in facts.values()}
    know_undeliverable(people.union(*(one["reply_to"] for one in facts.values())))
    know_links({message.thread_id for message in messages})
    decided = decided_among(facts)
    for id in facts:
        was_decided.know(id in decided, id)


def know_usage(questions: Sequence[Question]) -> None:
    """Count for a portion what `with_usage` counts for one message."""
    answered_in_portion.know(answered_for(questions))


def with_domain(message: Message, context: Context) -> Context:
    """Ask DNS about the recipient's domain; not in a demo or test, which lives outside the real DNS."""
    if context.answers_reserved_domains:
        return context
    domain = case_of(facts_of(message), context).recipient_domain
    return replace(context, domain_state=domain_state(domain))


def domains_to_answer(message_ids: Collection[UUID]) -> set[str]:
    """The domains of those who may be answered, to be looked up before anything is held (`with_domain`)."""
    if settings_of(current_app).answers_reserved_domains:
        return set()
    answering = select(AutoResponseRule.mailbox_id).where(AutoResponseRule.is_active)
    query = select(Message.facts).where(
        among(Message.id, message_ids), Message.may_respond, Message.mailbox_id.in_(answering)
    )
    told = [facts_told(facts) for facts in db.session.scalars(query)]
    addresses = {address for facts in told for address in (facts["sender"], *facts["reply_to"][:1])}
    return {split_address(address)[1] for address in addresses} - {""}


@asked_once
def active_rules(mailbox: Mailbox) -> tuple[Rule, ...]:
    """The active rules of a mailbox as `decide` reads them, in order."""
    active = db.session.scalars(rules_of(mailbox).where(AutoResponseRule.is_active))
    return tuple(as_rule(rule) for rule in active)


def as_rule(rule: AutoResponseRule) -> Rule:
    """A stored rule as `decide` reads it."""
    return Rule(rule.id, rule.name, conditions_from(rule.conditions), rule.active_since)


def fields_of(message: Message, rules: Sequence[Rule]) -> MessageFields:
    """A message as conditions see it; its raw is only read where a rule asks for a header."""
    asks = any(one.field.startswith(HEADER) for rule in rules for one in rule.conditions)
    return MessageFields(
        body=message.text,
        subject=message.subject,
        addresses={name: _people(people) for name, people in message.addresses.items()},
        headers=_headers(message) if asks else {},
    )


def _people(people: list[dict[str, Any]]) -> list[Address]:
    return [Address(str(one.get("name") or ""), str(one.get("address") or "")) for one in people]


def _headers(message: Message) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if message.raw_id is not None:
        for name, value in parse(raw_content(message.raw_id)).headers:
            found.setdefault(name.lower(), []).append(value)
    return found


@asked_once
def _settings() -> dict[str, Effective]:
    """What the configuration says about answers, in one go."""
    keys = ("response.enabled", "response.hourly_limit", "response.daily_limit", "notice.sender_address")
    found = effective_all(tuple(CATALOG[key] for key in keys), ORGANIZATION)
    return {one.setting.key: one for one in found}


@asked_once
def _own_addresses(system_address: str) -> frozenset[str]:
    own = [system_address]
    for address, aliases in db.session.execute(select(Mailbox.address, Mailbox.aliases)):
        own += [address, *aliases]
    return _canonical(own)


def _canonical(addresses: Sequence[str]) -> frozenset[str]:
    return frozenset(canonical_address(address) for address in addresses if address)


@asked_once
def _flags(message_id: UUID) -> frozenset[str]:
    return _flags_of([message_id]).get(message_id, frozenset())


def _know_flags(message_ids: Collection[UUID]) -> None:
    found = _flags_of(message_ids)
    for id in message_ids:
        _flags.know(found.get(id, frozenset()), id)


def _flags_of(message_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    rows = db.session.execute(
        select(Location.message_id, Location.flags).where(
            among(Location.message_id, message_ids), Location.vanished_at.is_(None)
        )
    )
    found: dict[UUID, frozenset[str]] = {}
    for id, flags in rows:
        found[id] = found.get(id, frozenset()) | frozenset(flags)
    return found


@asked_once
def is_thread_answered(thread_id: UUID) -> bool:
    """Whether a conversation has had its automatic response."""
    return thread_id in _answered_threads([thread_id])


def _know_answered_threads(thread_ids: Collection[UUID]) -> None:
    answered = _answered_threads(thread_ids)
    for id in thread_ids:
        is_thread_answered.know(id in answered, id)


def _answered_threads(thread_ids: Collection[UUID]) -> set[UUID]:
    query = select(AutomaticResponse.thread_id).where(among(AutomaticResponse.thread_id, thread_ids))
    return set(db.session.scalars(query))


def _ids_of(facts: Facts) -> tuple[str, ...]:
    return tuple(filter(None, (facts["message_id"], facts["in_reply_to"], *facts["references"])))


@asked_once
def _ledger(header_ids: tuple[str, ...]) -> Set[tuple[str, str]]:
    """Which of these ids are of messages that we have made, and of which kind."""
    return _made_by_us(header_ids) if header_ids else frozenset()


def _know_ledger(asked: Sequence[tuple[str, ...]]) -> None:
    made = _made_by_us({id for ids in asked for id in ids})
    for ids in asked:
        _ledger.know(made, ids)


def _made_by_us(header_ids: Collection[str]) -> set[tuple[str, str]]:
    query = select(Outgoing.header_id, Outgoing.kind).where(among(Outgoing.header_id, header_ids))
    return {(row.header_id, row.kind) for row in db.session.execute(query)}


def _switched_off(enabled: Effective) -> str:
    if enabled.value:
        return ""
    return f"Automatic responses are switched off ({enabled.origin.lower()})."


@asked_once
def _lacks_smtputf8(mailbox: Mailbox) -> bool:
    found = select(Outgoing.id).where(
        Outgoing.mailbox_id == mailbox.id,
        Outgoing.last_error.startswith(NO_SMTPUTF8),
        Outgoing.created_at > now() - REMEMBERED,
    )
    return db.session.scalar(found.limit(1)) is not None


def _next_allowed_elsewhere(message: Message, recipient: str) -> datetime | None:
    shared = shared_account_of(message)
    return account_window(shared, message, recipient) if shared is not None else None


def body_hash(facts: Facts) -> bytes:
    """The hash of a message's text as it is stored with a claim."""
    return bytes.fromhex(facts["body_hash"])
