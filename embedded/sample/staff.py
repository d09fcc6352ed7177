"""What the people of the demo do with the first messages, so that a visitor finds work in progress."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from embedded.sample.letters import Letter, letters
from mailboxes import drafts
from mailboxes.conversion import links_of
from mailboxes.crm import cases, leads
from mailboxes.messages import Message
from mailboxes.people_letters import send_invitation
from tenants.audit import Actor, record
from tenants.database import db, inside
from tenants.errors import AppError
from tenants.organizations import Membership, Organization
from tenants.people.invitations import invite
from tenants.permissions import Role
from tenants.users import User

_INVITER = "jonas.petersen@nordwind.example"
PATIENCE = 600  # turns, of a tenth of a second


@dataclass(frozen=True)
class _Deed:
    """Somebody does something with the message of a letter, once it became a record."""

    organization: str
    person: str
    letter: str
    act: Callable[[Membership, Message, UUID], None]


def work(app: Flask) -> Iterator[None]:
    """Do one thing after the other, each as soon as it can be done; one turn for each ``next``."""
    sent = {letter.id: letter for letter in letters("arriving.yaml")}
    waiting = list(_DEEDS)
    with suppress(SQLAlchemyError, AppError):
        _invite(app)
    yield
    for _ in range(PATIENCE):
        if not waiting:
            return
        with suppress(SQLAlchemyError):  # the database is being revived: the next turn tries again
            waiting = [deed for deed in waiting if not _is_done(app, deed, sent[deed.letter])]
        yield


def _invite(app: Flask) -> None:
    """Jonas asks the workshop's Malte in: the notice arrives by mail, the audit log tells of it."""
    with app.app_context():
        organization = db.session.scalars(select(Organization).where(Organization.slug == "nordwind")).one()
        user = db.session.scalars(select(User).where(User.address == _INVITER)).one()
        by = Actor(user.name, user.id)
        with inside(organization.id):
            service = db.session.scalars(select(Role).where(Role.name == "Service")).one()
            invitation, token = invite("malte.voss@werkstatt.example", [service.id], by=by)
            record(by, "member.invited", invitation.address, {}, {"roles": [service.name]})
            send_invitation(organization, invitation, token)
            db.session.commit()  # the schedule sends it


def _is_done(app: Flask, deed: _Deed, letter: Letter) -> bool:
    with app.app_context():
        slug = Organization.slug == deed.organization
        organization_id = db.session.scalar(select(Organization.id).where(slug))
        if organization_id is None:
            return True
        with inside(organization_id):
            return _is_done_inside(deed, letter)


def _is_done_inside(deed: _Deed, letter: Letter) -> bool:
    message_id = letter.message_id.strip("<>")
    message = db.session.scalar(select(Message).where(Message.message_id == message_id))
    member = db.session.scalar(select(Membership).join(User).where(User.address == deed.person))
    if member is None:
        return True
    records = links_of(message.thread_id) if message is not None else []
    if message is None or not records:
        return False
    try:
        deed.act(member, message, records[0].id)
        db.session.commit()
    except AppError:  # somebody looks around already and was faster
        db.session.rollback()
    return True


def _answer(body: str) -> Callable[[Membership, Message, UUID], None]:
    def act(member: Membership, message: Message, record_id: UUID) -> None:
        del record_id
        draft = drafts.begin_answer(member, message.id, "reply")
        drafts.save(draft, {"body": f"{body}\n\n{draft.body}"})
        drafts.send(member, draft)

    return act


def _take_up(comment: str) -> Callable[[Membership, Message, UUID], None]:
    def act(member: Membership, message: Message, record_id: UUID) -> None:
        del message
        case = cases.case_of(record_id)
        cases.change_status(case, "in_progress", member.name)
        cases.comment(case, comment, member.id, member.name, is_public=False)

    return act


def _qualify(member: Membership, message: Message, record_id: UUID) -> None:
    del message
    leads.change_status(leads.lead_of(record_id), "qualified", member.name)


_DEEDS = (
    _Deed(
        "nordwind",
        "lena.hoffmann@nordwind.example",
        "boots",
        _answer(
            "Dear Ingrid,\n\nyes, they can be resoled, and Friday suits us well: ask for Malte in the "
            "workshop. It takes two hours, there is coffee, and it costs you nothing."
        ),
    ),
    _Deed(
        "nordwind",
        "lena.hoffmann@nordwind.example",
        "ruecksendung",
        _take_up("Neues Etikett liegt im Postausgang. Herr Weber hat schon dreimal bestellt: Kulanz."),
    ),
    _Deed("nordwind", "tom.becker@nordwind.example", "fair", _qualify),
    _Deed(
        "lumen",
        "noah.bennett@lumenbooks.example",
        "parcel",
        _take_up("Royal Mail has opened an enquiry. If nothing moves by Thursday we send the books again."),
    ),
)
