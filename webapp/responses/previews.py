"""A template filled in for one of the latest messages, or for an invented one where there is none."""

from flask import g, request
from sqlalchemy import Select, select

from mailboxes import templates
from mailboxes.access import readable_ids
from mailboxes.messages import Message
from mailboxes.template_values import values_for
from mailboxes.templates import Rendered, Template
from mailboxes.templating import TemplateError
from tenants.database import db, now

MOST_MESSAGES = 25


def recent_messages() -> Select[Message]:
    """The latest messages that came into mailboxes which this member may read."""
    return (
        select(Message)
        .where(Message.mailbox_id.in_(readable_ids(g.member)), Message.direction == "in")
        .order_by(Message.shown_at.desc(), Message.id.desc())
        .limit(MOST_MESSAGES)
    )


def chosen_message(messages: list[Message]) -> Message | None:
    """The message that the address of the page names, else the latest; None without any."""
    wanted = request.args.get("message", "")
    return next((one for one in messages if str(one.id) == wanted), messages[0] if messages else None)


def rendered(template: Template, message: Message | None, language: str) -> Rendered:
    """The template in a language, else in the best one; what is wrong with it stands in its place."""
    values = values_for(message, member=g.member) if message is not None else _invented()
    wanted = [language, message.language if message is not None else None]
    try:
        return templates.render(template, wanted, values)
    except TemplateError as error:
        db.session.rollback()
        return Rendered("", error.message, language=language)


def _invented() -> dict[str, dict[str, str]]:
    """Values that look like real ones, before the first message has come."""
    return {
        "message": {"subject": "Where is my order?", "date": f"{now():%Y-%m-%d}", "time": "09:30"},
        "sender": {"name": "Carla Customer", "first_name": "Carla", "address": "carla@example.com"},
        "contact": {
            "name": "Carla Customer",
            "first_name": "Carla",
            "last_name": "Customer",
            "company": "Example Ltd",
            "phone": "+1 555 0100",
        },
        "lead": {"name": "Where is my order?", "status": "new", "owner": g.member.name, "source": "Email"},
        "case": {
            "subject": "Where is my order?",
            "status": "open",
            "priority": "normal",
            "assignee": g.member.name,
        },
        "mailbox": {"label": "Support", "address": "support@example.com", "signature": "Your support team"},
        "organization": {"name": g.organization.name},
        "user": {"name": g.member.name, "address": g.user.address},
    }
