"""Rows for tests. Each names its organization; each commits, so that every session sees it."""

from dataclasses import dataclass, field
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from inspect import signature
from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask, current_app

from mailboxes import timeline
from mailboxes.accounts import Account, Folder
from mailboxes.classifying import classify
from mailboxes.messages import Attachment, Message
from mailboxes.parsing import ParsedMessage, parse, stable_hash
from mailboxes.quoting import reply_text
from mailboxes.raws import keep_raw
from mailboxes.search import index_message
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from mailboxes.threads import Thread
from tenants.api_tokens import SCOPES, make_token
from tenants.audit import Actor
from tenants.database import db, inside, now, uuid7
from tenants.organizations import Membership, MembershipRole, Organization
from tenants.permissions import ADMINISTRATOR, MEMBER, offer_system_roles
from tenants.users import User, choose_password
from tenants.users import sign_in as open_session
from webapp.auth import cookie

PASSWORD = "correct horse battery"  # every test user's
_number = count(1)


@dataclass
class World:
    """An organization with its people. ``canary`` is in everything that it owns."""

    id: UUID
    name: str
    canary: str
    admin: Membership
    member: Membership
    extra: dict[str, Any] = field(default_factory=dict)


def make_user(address: str | None = None, **given: Any) -> User:
    """A user of the installation who can sign in with `PASSWORD`."""
    with current_app.app_context():
        user = _user(address, **given)
        db.session.add(user)
        db.session.commit()
    return user


def make_organization(name: str, **given: Any) -> World:
    """An organization with an administrator and a member (who holds the role Member)."""
    number = next(_number)
    canary = f"canary{number}{name.lower().replace(' ', '')}"
    slug = f"{name.lower().replace(' ', '-')}-{number}"
    organization = Organization(id=uuid7(), name=name, slug=slug, **given)
    with inside(organization.id):
        db.session.add(organization)
        db.session.flush()
        admin = _member(organization.id, f"Ada {canary}")
        member = _member(organization.id, f"Mia {canary}")
        _give_roles({ADMINISTRATOR: admin, MEMBER: member})
        db.session.commit()
    return World(organization.id, name, canary, admin, member)


def make_member(organization_id: UUID, name: str = "Mo Member", role: str | None = MEMBER) -> Membership:
    """A user who belongs to the organization, with one of the system's roles."""
    with inside(organization_id):
        member = _member(organization_id, name)
        _give_roles({} if role is None else {role: member})
        db.session.commit()
    return member


def _user(address: str | None = None, **given: Any) -> User:
    user = User(address=address or f"person{next(_number)}@example.test", **{"name": "Pat Person", **given})
    user.password_hash = _hash_of_password(current_app.config["POSTROOM"].cheap_passwords)
    return user


@lru_cache
def _hash_of_password(is_cheap: bool) -> str:
    anybody = User(address="", name="")
    choose_password(anybody, PASSWORD)
    return anybody.password_hash


def _member(organization_id: UUID, name: str) -> Membership:
    user = _user(name=name, current_organization_id=organization_id)
    member = Membership(id=uuid7(), organization_id=organization_id, user=user)
    db.session.add(member)
    return member


def _give_roles(holders: dict[str, Membership]) -> None:
    offered = offer_system_roles()  # it saves the new members, too
    db.session.add_all(
        MembershipRole(membership_id=member.id, role_id=offered[role].id) for role, member in holders.items()
    )


def make_mailbox(
    organization: World, *, readers: tuple[Membership, ...] | None = None, **given: Any
) -> Mailbox:
    """A mailbox with an account of its own; ``account`` says where it connects, ``readers`` may reply."""
    account_given = given.pop("account", {})
    number = next(_number)
    address = given.pop("address", f"help{number}@{organization.canary}.test")
    with inside(organization.id):
        account = Account(organization_id=organization.id, address=address, **account_given)
        db.session.add(account)
        db.session.flush()
        db.session.add(
            Folder(
                organization_id=organization.id,
                account_id=account.id,
                name_raw=b"INBOX",
                name="INBOX",
                special_use="inbox",
                is_synced=True,
            )
        )
        mailbox = Mailbox(
            account_id=account.id,
            account_owner_id=organization.id,
            address=address,
            **{
                "label": f"Help {number} {organization.canary}",
                "automation_from": now() - timedelta(days=1),
                **given,
            },
        )
        db.session.add(mailbox)
        db.session.flush()
        for reader in (organization.admin, organization.member) if readers is None else readers:
            db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=reader.id, level="reply"))
        db.session.commit()
    return mailbox


def make_thread(organization: World, mailbox: Mailbox, **given: Any) -> Thread:
    """A conversation without messages; `make_message` fills it and keeps its summary true."""
    with inside(organization.id):
        thread = Thread(mailbox_id=mailbox.id, **{"subject": f"Thread {organization.canary}", **given})
        db.session.add(thread)
        db.session.commit()
    return thread


def make_raw(
    sender: str = "Carla Customer <carla@customer.test>",
    to: str = "help@example.test",
    subject: str = "Question",
    text: str = "When will it arrive?",
    html: str | None = None,
    attachments: tuple[tuple[str, str, bytes], ...] = (),
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """The bytes of an RFC 5322 message; ``attachments`` are (filename, content type, content)."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{uuid7()}@customer.test>"
    for name, value in headers:
        message[name] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for filename, content_type, content in attachments:
        maintype, _, subtype = content_type.partition("/")
        message.add_attachment(content, maintype, subtype, filename=filename)
    return message.as_bytes()


def make_message(
    organization: World,
    mailbox: Mailbox,
    *,
    thread: Thread | None = None,
    raw: bytes | None = None,
    direction: str = "in",
    **given: Any,
) -> Message:
    """A delivered message with its raw, attachments and words; in a thread of its own unless one is given.

    ``given`` goes to `make_raw` where that knows it, else to the columns of `Message`.
    """
    for_raw = {name: given.pop(name) for name in list(given) if name in signature(make_raw).parameters}
    content = raw or make_raw(**{"subject": f"Question {organization.canary}", **for_raw})
    parsed = parse(content)
    with inside(organization.id):
        if thread is None:
            conversation = Thread(id=uuid7(), mailbox_id=mailbox.id, subject=parsed.subject)
            db.session.add(conversation)
        else:
            conversation = db.session.get_one(Thread, (organization.id, thread.id))
        message = _message_of(content, parsed, mailbox, conversation.id, direction, given)
        db.session.add(message)
        db.session.flush()
        _add_parts(message, parsed)
        _summarize(conversation, message)
        db.session.commit()
    return message


def _message_of(
    content: bytes,
    parsed: ParsedMessage,
    mailbox: Mailbox,
    thread_id: UUID,
    direction: str,
    given: dict[str, Any],
) -> Message:
    lists = {"to": parsed.to, "cc": parsed.cc, "bcc": parsed.bcc, "reply_to": parsed.reply_to}
    lists["from"] = (parsed.sender,) if parsed.sender else ()
    columns = {
        "raw_id": keep_raw(content, mailbox.organization_id).id,
        "message_id": parsed.message_id or "",
        "references": list(parsed.references),
        "sent_at": parsed.sent_at,
        "received_at": given.get("shown_at") or now(),
        "sender_name": parsed.sender.name if parsed.sender else "",
        "sender_address": parsed.sender.address.lower() if parsed.sender else "",
        "addresses": {
            name: [{"name": one.name, "address": one.address} for one in people]
            for name, people in lists.items()
        },
        "subject": parsed.subject,
        "teaser": " ".join(parsed.text.split())[:200],
        "text": parsed.text,
        "reply_text": reply_text(parsed.text),
        "has_html": parsed.html is not None,
        "size": len(content),
        "attachment_count": parsed.offered_count,
        "facts": dict(
            classify(parsed, content, trusted_authserv_id=mailbox.trusted_authserv_id or None).facts
        ),
        "box": "inbox" if direction == "in" else "sent",
    }
    return Message(
        mailbox_id=mailbox.id,
        thread_id=thread_id,
        stable_hash=stable_hash(content),
        direction=direction,
        **{**columns, **given},
    )


def _add_parts(message: Message, parsed: ParsedMessage) -> None:
    for one in parsed.attachments:
        db.session.add(
            Attachment(
                message_id=message.id,
                position=one.position,
                filename=one.filename,
                content_type=one.content_type,
                size=one.size,
                content_id=one.content_id or "",
                is_inline=one.is_embedded,
            )
        )
    index_message(message)
    timeline.record(message, "fetched", "stored")


def _summarize(thread: Thread, message: Message) -> None:
    thread.message_count += 1
    thread.incoming_count += message.direction == "in" and message.box in ("inbox", "other")
    thread.outgoing_count += message.direction == "out"
    thread.has_attachments = thread.has_attachments or message.attachment_count > 0
    if thread.message_count == 1 or message.shown_at >= thread.last_at:
        thread.last_at, thread.teaser = message.shown_at, message.teaser
    name = message.sender_name or message.sender_address
    thread.senders = [*(one for one in thread.senders if one != name), name]
    thread.participants = sorted({*thread.participants, message.sender_address})


def sign_in(app: Flask, who: User | Membership) -> Any:
    """A test client in which this person is signed in already; see `sign_in_by_form`."""
    user = who.user if isinstance(who, Membership) else who
    client = app.test_client()
    with app.app_context():
        token = open_session(user, place=client.environ_base["REMOTE_ADDR"], device="")
        db.session.commit()
        client.set_cookie(cookie.name(), token)
    return client


def with_token(app: Flask, who: Membership, *scopes: str, **given: Any) -> Any:
    """A test client that sends a token of this member for these scopes, or for all there are."""
    token = make_api_token(who, *scopes, **given)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def make_api_token(who: Membership, *scopes: str, **given: Any) -> str:
    """A token of this member, as it was shown once."""
    name = given.pop("name", f"Program of a test {next(_number)}")
    with inside(who.organization_id):
        wanted = list(scopes or SCOPES)
        token = make_token(who, name, wanted, given.pop("expires_at", None), by=Actor(who.name))
        db.session.commit()
    return token


def sign_in_by_form(app: Flask, who: User | Membership) -> Any:
    """The same by the form, for tests of who is let in, and how."""
    user = who.user if isinstance(who, Membership) else who
    client = app.test_client()
    data = {"csrf_token": form_token(client), "address": user.address, "password": PASSWORD}
    answer = client.post("/sign-in", data=data)
    assert answer.status_code == 302, answer.text
    return client


def form_token(client: Any) -> str:
    """What a form of this client must carry, from the smallest page that has it."""
    return csrf_token(client.get("/sign-in").text)


def csrf_token(html: str) -> str:
    """The token of a page's form."""
    import re

    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html) or re.search(
        r'name="csrf-token" content="([^"]+)"', html
    )
    assert found, "the page has no form with a csrf_token"
    return found.group(1)
