"""*Write as a customer* and *Notices by mail*, for the demo: elsewhere these pages do not exist."""

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mailboxes.access import readable_mailboxes
from mailboxes.crm.contacts import Contact, addresses_of, contacts
from mailboxes.system_mailboxes import Mailbox
from tenants.application import settings_of
from tenants.configuration.layers import value_of
from tenants.database import db, uuid7
from tenants.errors import NotFoundError
from webapp.customer.examples import EXAMPLES
from webapp.customer.forms import LetterForm
from webapp.customer.letters import Letter, person, received_by, received_by_anybody, send
from webapp.customer.progress import progress_of
from webapp.guards import enter_chosen_organization, member_required, signed_in_required
from webapp.records import uuid_or_none

blueprint = Blueprint("customer", __name__, url_prefix="/demo")
MOST_CUSTOMERS = 200
MOST_NOTICES = 50


@blueprint.route("/write/", methods=["GET", "POST"])
@member_required
def write() -> ResponseReturnValue:
    """The form; what it sends goes the way of every message."""
    _demand_demo()
    mailboxes = list(db.session.scalars(readable_mailboxes(g.member)))
    form = LetterForm(data=None if request.method == "POST" else _beginning(mailboxes))
    form.mailbox.choices = [(one.address, f"{one.label} ({one.address})") for one in mailboxes]
    refusal = ""
    if form.validate_on_submit():
        letter = _letter(form)
        result = send(letter)
        if result.is_sent:
            return redirect(url_for("customer.letter", letter_id=letter.id))
        refusal = result.reason or "The mail server did not take the message."
    page = render_template(
        "customer/write.html",
        form=form,
        refusal=refusal,
        examples=list(enumerate(EXAMPLES)),
        customers=_customers(),
        has_mailboxes=bool(mailboxes),
    )
    return page, 422 if request.method == "POST" else 200


@blueprint.get("/write/<uuid:letter_id>")
@member_required
def letter(letter_id: UUID) -> ResponseReturnValue:
    """Watch one letter on its way."""
    _demand_demo()
    part = request.headers.get("HX-Request") == "true"
    template = "customer/_progress.html" if part else "customer/letter.html"
    return render_template(template, letter_id=letter_id, progress=progress_of(letter_id, g.member))


@blueprint.get("/notices/")
@signed_in_required
def notices() -> ResponseReturnValue:
    """The mail of Postroom itself: one's own, and for a system administrator everybody's."""
    _demand_demo()
    postroom = {str(value_of("notice.sender_address"))}
    own = received_by(g.user.address, postroom)
    found = received_by_anybody(postroom) if g.user.is_system_admin else own
    enter_chosen_organization(g.user)  # the frame shows where they work
    return render_template("customer/notices.html", notices=found[: -MOST_NOTICES - 1 : -1])


def _demand_demo() -> None:
    if not settings_of(current_app).is_demo:
        raise NotFoundError


def _letter(form: LetterForm) -> Letter:
    return Letter(
        id=uuid7(),
        sender=form.person,
        recipient=form.mailbox.data,
        subject=" ".join((form.subject.data or "").split()),
        text=form.text.data or "",
        kind=form.kind.data,
        in_reply_to=form.in_reply_to.data or "",
        references=form.references.data or "",
    )


def _beginning(mailboxes: list[Mailbox]) -> dict[str, Any]:
    """An example that was chosen, or an answer to what a customer received."""
    chosen = request.args.get("example", "")
    if chosen in map(str, range(len(EXAMPLES))):
        example = EXAMPLES[int(chosen)]
        fitting = [one.address for one in mailboxes if one.action == example.action]
        return {
            "sender": example.sender,
            "subject": example.subject,
            "text": example.text,
            "kind": example.kind,
            "mailbox": fitting[0] if fitting else None,
        }
    return _answer()


def _answer() -> dict[str, Any]:
    """What a mail program puts into the answer to what ``?letter=…&received=…`` brought back."""
    letter_id = uuid_or_none(request.args.get("letter"))
    progress = progress_of(letter_id, g.member) if letter_id is not None else None
    name = request.args.get("received", "")
    found = [one for one in progress.received if one.name == name] if progress is not None else []
    if progress is None or progress.message is None or not found:
        return {}
    received = found[0]
    quoted = "".join(f"> {line}\n" for line in received.text.rstrip().split("\n"))
    is_reply = received.subject.lower().startswith("re:")
    return {
        "sender": person(progress.message.sender_name, progress.message.sender_address),
        "mailbox": received.sender,
        "subject": received.subject if is_reply else f"Re: {received.subject}",
        "text": f"\n\n{quoted}",
        "in_reply_to": f"<{received.message_id}>",
        "references": " ".join(f"<{one}>" for one in (*received.references, received.message_id)),
    }


def _customers() -> list[str]:
    """Who wrote before, for those who may see contacts."""
    if "contact.view" not in g.permissions:
        return [example.sender for example in EXAMPLES]
    found = db.session.scalars(contacts().order_by(Contact.name).limit(MOST_CUSTOMERS)).all()
    addresses = addresses_of(contact.id for contact in found)
    return [
        person(contact.title, address)
        for contact in found
        for address in addresses.get(contact.id, [])[:1]
        if address.endswith(".example")
    ]
