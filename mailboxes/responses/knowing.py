"""What the installation knows about a message, gathered for `decide`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, func, select

from mailboxes.classifying import Facts, canonical_address
from mailboxes.classifying.facts import facts_told
from mailboxes.conditions import HEADER, MessageFields, conditions_from
from mailboxes.decisions import Context, Limits, Options, Rule, Usage
from mailboxes.decisions.values import Case, case_of
from mailboxes.loop_tokens import is_own_loop_token
from mailboxes.mail_domains import domain_state
from mailboxes.messages import Location, Message, mailbox_of
from mailboxes.outgoing import AUTOMATIC, Outgoing, sending_problem
from mailboxes.outgoing.routes import account_behind
from mailboxes.parsing import Address, parse
from mailboxes.raws import raw_content
from mailboxes.responses.claims import AutomaticResponse, ResponseWindow, account_window
from mailboxes.rules import AutoResponseRule, rules_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.undeliverable import is_undeliverable
from tenants.application import settings_of
from tenants.configuration.catalog import CATALOG, ORGANIZATION
from tenants.configuration.layers import Effective, effective_all
from tenants.database import db, now

NO_SMTPUTF8 = "The server does not support addresses with letters beyond ASCII."
REMEMBERED = timedelta(days=30)
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


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
    settings = _settings()
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
        flags=_flags(message),
        is_opening=message.is_opening,
        is_thread_answered=_is_thread_answered(message),
        is_answered_on_server=message.is_answered_on_server,
        is_stub=message.is_stub,
        is_bounce=message.is_bounce,
        carries_own_token=is_own_loop_token(facts["loop_tokens"]),
        answers_automatic_response=_is_in_ledger([facts["in_reply_to"], *facts["references"]], AUTOMATIC),
        is_own_message=_is_in_ledger([facts["message_id"]]),
        answers_reserved_domains=settings_of(current_app).answers_reserved_domains,
        switched_off=_switched_off(settings["response.enabled"]),
        sending_problem=sending_problem(mailbox) if given else "",
        limits=Limits(
            mailbox_per_hour=int(settings["response.hourly_limit"].value),
            mailbox_per_day=int(settings["response.daily_limit"].value),
        ),
        options=Options(answers_unaddressed=mailbox.answers_unaddressed),
    )
    case = case_of(facts, context)
    return replace(
        context,
        is_undeliverable=is_undeliverable(case.recipient),
        lacks_smtputf8=not case.recipient.isascii() and _lacks_smtputf8(mailbox),
    )


def with_usage(message: Message, context: Context) -> Context:
    """Add what was sent so far; `take_turns` first, or others send meanwhile."""
    case = case_of(facts_of(message), context)
    moment, recipient = context.moment, case.recipient_canonical
    in_domain = AutomaticResponse.recipient.endswith(f"@{case.recipient_domain}", autoescape=True)
    in_mailbox = AutomaticResponse.mailbox_id == message.mailbox_id
    last_hour, last_day = (AutomaticResponse.decided_at > moment - span for span in (HOUR, DAY))
    counted = {
        "sender_day_count": AutomaticResponse.recipient == recipient,
        "domain_hour_count": in_domain & last_hour,
        "mailbox_hour_count": in_mailbox & last_hour,
        "mailbox_day_count": in_mailbox,
        "organization_hour_count": last_hour,
    }
    counts = select(*(func.count().filter(which).label(name) for name, which in counted.items()))
    usage = Usage(
        next_allowed_at=_next_allowed_at(message, recipient),
        **db.session.execute(counts.where(last_day)).mappings().one(),
        has_same_body=_has_same_body(message, case, in_domain & last_hour),
    )
    return replace(context, usage=usage, is_thread_answered=_is_thread_answered(message))


def with_domain(message: Message, context: Context) -> Context:
    """Ask DNS about the recipient's domain; not in a demo or test, which lives outside the real DNS."""
    if context.answers_reserved_domains:
        return context
    domain = case_of(facts_of(message), context).recipient_domain
    return replace(context, domain_state=domain_state(domain))


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


def _settings() -> dict[str, Effective]:
    """What the configuration says about answers, in one go."""
    keys = ("response.enabled", "response.hourly_limit", "response.daily_limit", "notice.sender_address")
    found = effective_all(tuple(CATALOG[key] for key in keys), ORGANIZATION)
    return {one.setting.key: one for one in found}


def _own_addresses(system_address: str) -> frozenset[str]:
    own = [system_address]
    for address, aliases in db.session.execute(select(Mailbox.address, Mailbox.aliases)):
        own += [address, *aliases]
    return _canonical(own)


def _canonical(addresses: Sequence[str]) -> frozenset[str]:
    return frozenset(canonical_address(address) for address in addresses if address)


def _flags(message: Message) -> frozenset[str]:
    rows = db.session.scalars(
        select(Location.flags).where(Location.message_id == message.id, Location.vanished_at.is_(None))
    )
    return frozenset(flag for flags in rows for flag in flags)


def _is_thread_answered(message: Message) -> bool:
    found = select(AutomaticResponse.id).where(AutomaticResponse.thread_id == message.thread_id)
    return db.session.scalar(found) is not None


def _is_in_ledger(header_ids: Sequence[str], kind: str | None = None) -> bool:
    """Whether we have made a message with one of these ids."""
    ids = [id for id in header_ids if id]
    found = select(Outgoing.id).where(Outgoing.header_id.in_(ids))
    if kind is not None:
        found = found.where(Outgoing.kind == kind)
    return bool(ids) and db.session.scalar(found.limit(1)) is not None


def _switched_off(enabled: Effective) -> str:
    if enabled.value:
        return ""
    return f"Automatic responses are switched off ({enabled.origin.lower()})."


def _lacks_smtputf8(mailbox: Mailbox) -> bool:
    found = select(Outgoing.id).where(
        Outgoing.mailbox_id == mailbox.id,
        Outgoing.last_error.startswith(NO_SMTPUTF8),
        Outgoing.created_at > now() - REMEMBERED,
    )
    return db.session.scalar(found.limit(1)) is not None


def _next_allowed_at(message: Message, recipient: str) -> datetime | None:
    own = db.session.scalar(
        select(ResponseWindow.next_allowed_at).where(
            ResponseWindow.mailbox_id == message.mailbox_id, ResponseWindow.sender == recipient
        )
    )
    shared = shared_account_of(message)
    others = account_window(shared, message, recipient) if shared is not None else None
    return max((moment for moment in (own, others) if moment is not None), default=None)


def _has_same_body(message: Message, case: Case, nearby: ColumnElement[bool]) -> bool:
    if not message.text.strip():
        return False
    found = select(AutomaticResponse.id).where(
        nearby,
        AutomaticResponse.body_hash == body_hash(case.facts),
        AutomaticResponse.recipient != case.recipient_canonical,
    )
    return db.session.scalar(found.limit(1)) is not None


def body_hash(facts: Facts) -> bytes:
    """The hash of a message's text as it is stored with a claim."""
    return bytes.fromhex(facts["body_hash"])
