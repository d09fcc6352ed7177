"""Mailboxes that can send to the sink, rules that answer, and what became of it."""

import dataclasses
from typing import Any

from flask import Flask
from sqlalchemy import select

from mailboxes.acting import Acted, act_on_pending
from mailboxes.conditions import Condition
from mailboxes.messages import Message
from mailboxes.outgoing import Outgoing, send_due
from mailboxes.rules import AutoResponseRule, RuleValues, add_rule
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import TemplateValues
from mailboxes.timeline import Event, events_of
from tenants.audit import Actor
from tenants.database import db, inside, uuid7
from tests.certificates import Certificates
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import letter, receive
from tests.smtp_sink import Sink
from tests.world import permitted_ports

BY = Actor("Ada")
THANKS = TemplateValues(
    texts={
        "en": ("Auto: {{ message.subject }}", "Dear {{ sender.name }},\n\nthank you.\n"),
        "de": ("Auto: {{ message.subject }}", "Guten Tag {{ sender.name }},\n\nvielen Dank.\n"),
    }
)


def let_out(app: Flask, sink: Sink, certificates: Certificates) -> None:
    """Let the egress guard reach the sink, and trust its certificate."""
    permitted_ports(app, sink.port, sink.tls_port)
    app.config["POSTROOM"] = dataclasses.replace(app.config["POSTROOM"], ca_file=str(certificates.ca_file))


def sending_mailbox(world: World, sink: Sink, **given: Any) -> Mailbox:
    """A mailbox whose account sends to the sink."""
    account = {
        "smtp_enabled": True,
        "smtp_host": "localhost",
        "smtp_port": sink.tls_port,
        "smtp_encryption": "tls",
        **given.pop("account", {}),
    }
    return make_mailbox(world, account=account, **given)


def answering_mailbox(app: Any, world: World, sink: Sink, certificates: Certificates) -> Mailbox:
    """A mailbox that answers whoever writes, through the sink."""
    let_out(app, sink, certificates)
    mailbox = sending_mailbox(world, sink)
    answering_rule(world, mailbox)
    return mailbox


def answering_rule(
    world: World, mailbox: Mailbox, *conditions: Condition, response: TemplateValues = THANKS, **given: Any
) -> AutoResponseRule:
    """A rule that is active, and was before anything arrives."""
    with inside(world.id):
        values = RuleValues("Thanks", conditions=conditions, response=response, **given)
        rule = add_rule(mailbox, values, by=BY)
        db.session.commit()
    return rule


def ask(world: World, mailbox: Mailbox, **given: Any) -> Message:
    """A customer's message comes in and is delivered."""
    given = {
        "sender": "Anna <anna@customer.test>",
        "message_id": f"q{uuid7()}@customer.test",
    } | given
    (message,) = receive(world, mailbox, letter(to=mailbox.address, **given))
    return message


def act(world: World) -> list[Acted]:
    """What the action worker does."""
    with inside(world.id):
        return act_on_pending()


def send(world: World) -> list[Outgoing]:
    """What the outgoing worker does, but for the copies."""
    with inside(world.id):
        return send_due()


def outbox(world: World) -> list[Outgoing]:
    """The outbox, in order."""
    with inside(world.id):
        return list(db.session.scalars(select(Outgoing).order_by(Outgoing.id)))


def steps(world: World, message: Message, *stages: str) -> list[tuple[str, str]]:
    """Stages and results on the timeline of a message."""
    with inside(world.id):
        events = events_of(message)
        return [(one.stage, one.result) for one in events if not stages or one.stage in stages]


def reasons(world: World, message: Message) -> list[str]:
    """The codes of the decision on a message."""
    with inside(world.id):
        query = select(Event.details).where(Event.message_id == message.id, Event.stage == "rules")
        details = db.session.scalars(query).one()
        return [reason["code"] for reason in details["reasons"]]
