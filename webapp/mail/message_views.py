"""One message: its body in a frame of its own, its attachments, its source."""

from urllib.parse import quote, unquote
from uuid import UUID

from flask import g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from mailboxes import timeline
from mailboxes.access import readable_message
from mailboxes.inbox import content
from mailboxes.messages import Message
from tenants.configuration.layers import value_of
from tenants.database import db
from webapp.guards import member_required
from webapp.headers import FRAME_POLICY
from webapp.mail.blueprint import blueprint
from webapp.mail.downloads import download, inline_picture
from webapp.mail.place import place_of_request
from webapp.mail.presenting import first_quoted

# Remote pictures only when asked for.
_OWN_IMAGES = "'self' data:"
_ALL_IMAGES = "'self' data: https: http:"


@blueprint.get("/messages/<uuid:message_id>/body")
@member_required
def body(message_id: UUID) -> ResponseReturnValue:
    """The document inside a message's frame; ``images=1`` shows remote pictures."""
    message = readable_message(g.member, message_id)
    shows_images = request.args.get("images") == "1" or value_of("mail.remote_images") == "always"
    known = set(db.session.scalars(content.inline_content_ids(message.id)))
    shown = content.body_of(
        message,
        images="allow" if shows_images else "block",
        cid_url=lambda content_id: _inline_url(message, content_id, known),
    )
    response = make_response(
        render_template(
            "message_frame.html",
            body=Markup(shown.html),  # noqa: S704  # sanitized, and the frame runs nothing
            is_plain=shown.is_plain,
            blocked_images=shown.blocked_images,
            is_cut=shown.is_cut,
            is_plainer=shown.is_plainer,
            language=message.language or "",
            quoted=first_quoted(message),
        )
    )
    images = _ALL_IMAGES if shows_images else _OWN_IMAGES
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(images=images)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@blueprint.post("/messages/<uuid:message_id>/images")
@member_required
def show_images(message_id: UUID) -> ResponseReturnValue:
    """Show the remote pictures of a message this once; the timeline says who asked for them."""
    message = readable_message(g.member, message_id)
    reason = f"{g.member.name} asked for the remote pictures: the sender may know that it was read."
    timeline.record(message, "changed", "pictures shown", reason)
    db.session.commit()
    place = place_of_request()
    anchor = f"message-{message.id}"
    return redirect(
        place.url("mail.conversation", thread_id=message.thread_id, images=message.id, anchor=anchor), 303
    )


@blueprint.get("/messages/<uuid:message_id>/inline/<path:content_id>")
@member_required
def inline_image(message_id: UUID, content_id: str) -> ResponseReturnValue:
    """A picture that the body of a message shows."""
    message = readable_message(g.member, message_id)
    attachment, picture = content.inline_image_of(message, unquote(content_id))
    return inline_picture(picture, attachment.content_type)


@blueprint.get("/messages/<uuid:message_id>/attachments/<int:position>")
@member_required
def attachment(message_id: UUID, position: int) -> ResponseReturnValue:
    """One attachment, to be saved."""
    message = readable_message(g.member, message_id)
    found, data = content.attachment_of(message, position)
    return download(data, found.filename, found.content_type)


@blueprint.get("/messages/<uuid:message_id>/attachments/<int:position>/picture")
@member_required
def attached_picture(message_id: UUID, position: int) -> ResponseReturnValue:
    """A picture that hangs on a message, to be looked at."""
    message = readable_message(g.member, message_id)
    found, picture = content.attached_picture_of(message, position)
    return inline_picture(picture, found.content_type)


@blueprint.get("/messages/<uuid:message_id>/attachments.zip")
@member_required
def attachments_as_zip(message_id: UUID) -> ResponseReturnValue:
    """All attachments in one archive, made while it is sent."""
    message = readable_message(g.member, message_id)
    name = f"{message.subject[:80] or 'attachments'}.zip"
    return download(content.zipped_attachments_of(message), name, "application/zip")


@blueprint.get("/messages/<uuid:message_id>/original")
@member_required
def original(message_id: UUID) -> ResponseReturnValue:
    """The message as it came: every header, and its source."""
    message = readable_message(g.member, message_id)
    back = place_of_request().url(
        "mail.conversation", thread_id=message.thread_id, anchor=f"message-{message.id}"
    )
    return render_template(
        "mail/original.html", message=message, source=content.source_of(message), back_url=back
    )


@blueprint.get("/messages/<uuid:message_id>/original.eml")
@member_required
def original_file(message_id: UUID) -> ResponseReturnValue:
    """The bytes of the message, to be saved."""
    message = readable_message(g.member, message_id)
    return download(content.bytes_of(message), f"{message.subject[:80] or 'message'}.eml", "text/plain")


def _inline_url(message: Message, content_id: str, known: set[str]) -> str | None:
    named = next((one for one in (content_id, unquote(content_id)) if one in known), None)  # RFC 2392 §2
    if named is None:
        return None
    # One piece of a path, whatever a stranger wrote: the slashes and dots of another would lead elsewhere.
    piece = quote(named, safe="@").replace(".", "%2E")
    return url_for("mail.inline_image", message_id=message.id, content_id=piece)
