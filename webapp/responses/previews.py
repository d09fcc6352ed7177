"""A template filled in for a real message, or for an invented one where there is none to show."""

from typing import Any
from uuid import UUID

from flask import g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import Select, select

from mailboxes import templates
from mailboxes.access import readable_ids, readable_message
from mailboxes.messages import Message
from mailboxes.sanitizing import plain_text_to_html, sanitize
from mailboxes.template_values import values_for
from mailboxes.templates import Rendered, TemplateValues
from mailboxes.templating import TemplateError
from tenants.configuration.catalog import LANGUAGES
from tenants.database import db, now
from tenants.errors import NotFoundError
from webapp import records
from webapp.headers import FRAME_POLICY
from webapp.responses.texts import default_language, languages_of, missing_in_words

MOST_MESSAGES = 25


def recent_messages() -> Select[Message]:
    """The latest messages that came into mailboxes which this member may read."""
    return (
        select(Message)
        .where(Message.mailbox_id.in_(readable_ids(g.member)), Message.direction == "in")
        .order_by(Message.shown_at.desc(), Message.id.desc())
        .limit(MOST_MESSAGES)
    )


def messages_to_choose() -> tuple[list[Message], Message | None]:
    """The latest messages and the one that the address of the page names, else the latest of them."""
    messages = list(db.session.scalars(recent_messages()))
    wanted = records.id_argument("message")
    chosen = _readable(wanted) if wanted is not None else None
    if chosen is not None and chosen not in messages:
        messages.insert(0, chosen)
    return messages, chosen or (messages[0] if messages else None)


def preview_page(values: TemplateValues, message: Message | None, **more: Any) -> str:
    """The page: the template in one language, a tab for each other one."""
    shown, wanted = _shown(values, message)
    languages = languages_of(values)
    return render_template(
        "responses/preview.html",
        name=values.name,
        languages=[(code, LANGUAGES.get(code, code)) for code in languages],
        current=wanted if wanted in languages else shown.language,
        fallback=missing_in_words(list(values.texts), languages, default_language()).get(wanted, ""),
        language_name=LANGUAGES.get(wanted, wanted),
        shown=shown,
        message=message,
        **more,
    )


def preview_document(values: TemplateValues, message: Message | None) -> ResponseReturnValue:
    """The document inside the preview's frame; nothing runs in it."""
    shown, _ = _shown(values, message)
    html = plain_text_to_html(shown.text) if shown.html is None else sanitize(shown.html).html
    response = make_response(
        render_template(
            "message_frame.html",
            body=Markup(html),  # noqa: S704  # sanitized, and the frame runs nothing
            is_plain=shown.html is None,
            language=shown.language,
        )
    )
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(images="'self' data:")
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _shown(values: TemplateValues, message: Message | None) -> tuple[Rendered, str]:
    """In the language that is asked for, else in the best one; what is wrong with it stands in its place."""
    wanted = request.args.get("language", "")
    variables = values_for(message, member=g.member) if message is not None else _invented()
    language = wanted or (message.language if message is not None else None)
    try:
        return templates.render_texts(values.kind, values.texts, [language], variables), wanted
    except TemplateError as error:
        db.session.rollback()
        return Rendered("", error.message, language=wanted), wanted


def _readable(id: UUID) -> Message | None:
    try:
        return readable_message(g.member, id)
    except NotFoundError:
        return None


def _invented() -> dict[str, dict[str, str]]:
    """Values that look like real ones, before the first message has come."""
    person = g.user.name or g.user.address
    organization = g.get("organization")
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
        "lead": {"name": "Where is my order?", "status": "new", "owner": person, "source": "Email"},
        "case": {
            "subject": "Where is my order?",
            "status": "open",
            "priority": "normal",
            "assignee": person,
            "comment": "Your parcel left our warehouse this morning.",
        },
        "mailbox": {"label": "Support", "address": "support@example.com", "signature": "Your support team"},
        "organization": {"name": organization.name if organization is not None else "Example Limited"},
        "user": {"name": person, "address": g.user.address},
    }
