"""A furnished installation, for whatever goes through the pages as they look when people work.

The organizations, people and letters of the demo, taken in without servers; beside them what a demo does
not show: global mailboxes, what waits in queues, what went wrong, and an organization with nothing in it.
"""

import dataclasses
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select, update

from embedded.mail.post import CustomersPost
from embedded.sample import ORGANIZATIONS_FILE, SYSTEM_ADDRESS, sample_environment, sample_text
from embedded.sample.letters import Letter, letters, written
from mailboxes import drafts, interchange
from mailboxes.accounts import Account
from mailboxes.acting import act_on_pending
from mailboxes.arrivals import Arrival
from mailboxes.crm import cases
from mailboxes.crm.cases import Case
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact
from mailboxes.crm.lead_sources import LeadSource
from mailboxes.crm.leads import Lead
from mailboxes.global_mailboxes import following
from mailboxes.global_mailboxes.table import GlobalMailbox
from mailboxes.inbox.conversation import note as write_note
from mailboxes.inbox.saved_views import save_view
from mailboxes.inbox.selection import Selection
from mailboxes.intake import deliver
from mailboxes.messages import Message
from mailboxes.oauth import OAuthConnection
from mailboxes.routing.rules import RuleValues, add_rule
from mailboxes.rules import AutoResponseRule
from mailboxes.search_terms import parse_query
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import Template
from mailboxes.threads.tags import Tag, ThreadTag
from mailboxes.webhooks.setup import WebhookValues, make_webhook
from mailboxes.webhooks.table import WebhookCall
from tenants.api_tokens import ApiToken, make_token
from tenants.audit import Actor
from tenants.configuration.layers import lock, override
from tenants.database import Base, db, inside, inside_installation, now, uuid7
from tenants.organizations import Membership, Organization
from tenants.people.invitations import invite
from tenants.permissions import PERMISSIONS, Role
from tenants.users import User
from tests.factories import PASSWORD, World, make_organization
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.global_mail import arrive_globally, receive_globally

SYSTEM_ADMIN, ADMIN, MEMBER, NOBODY, FIRST_DAY = (
    "system administrator",
    "administrator",
    "member",
    "nobody",
    "administrator on the first day",
)
ROSA = Actor("Rosa Keller")
UNREADABLE = "The message could not be read: its parts contain each other."
REFUSED = "The server refuses the user or the password. Type the password anew on the page of the mailbox."
GLOBAL = """
system:
  mailboxes:
    - address: info@nordwind-group.example
      label: Group information
      delivery: routed
      serves: all
      account: &account
        imap: {enabled: true, host: imap.group.example, user: info, password: "${DEMO_MAIL_PASSWORD}"}
        folders: [INBOX]
      processing: {action: case, settings: {priority: normal, status: open}}
      access: [{role: administrator, level: reply}]
      rules:
        - {name: Everybody, template: acknowledgement}
    - address: recalls@nordwind-group.example
      label: Product recalls
      delivery: copied
      serves: [nordwind, lumen]
      home: nordwind
      account: *account
      processing: {action: nothing}
      access: [{role: administrator, level: read}]
"""


@dataclass
class Showroom:
    """Who works here, the ids that addresses of pages need, and where mail to customers is kept."""

    people: dict[str, User]
    ids: dict[str, Any]
    world: Path


def furnish(app: Flask) -> Showroom:
    """Fill an empty installation, set up as a demo."""
    world = Path(tempfile.mkdtemp())
    _be_a_demo(app, world)
    _write_a_notice(CustomersPost(world))
    environment = sample_environment(143, 25) | {"DEMO_PASSWORD": PASSWORD}
    for text in (sample_text(ORGANIZATIONS_FILE), GLOBAL):
        interchange.apply(interchange.read_document(text, "showroom", environment), by=ROSA)
    following.catch_up()
    _set_up_the_system()
    nordwind = _world("nordwind", "jonas.petersen@nordwind.example", "lena.hoffmann@nordwind.example")
    lumen = _world("lumen", "amelia.wright@lumenbooks.example", "noah.bennett@lumenbooks.example")
    with inside(nordwind.id):
        _disturb(_mailbox("orders@nordwind.example"))
        db.session.execute(update(Mailbox).values(automation_from=now() - timedelta(days=1)))
        db.session.commit()
    _take_in(nordwind)
    _take_in(lumen)
    with inside(nordwind.id):
        ids = {"organization": nordwind.id, "member": nordwind.member.id} | _work(nordwind)
    people = {
        SYSTEM_ADMIN: _user("rosa.keller@postroom.example"),
        ADMIN: nordwind.admin.user,
        MEMBER: nordwind.member.user,
        FIRST_DAY: make_organization("Bare Walls").admin.user,
    }
    showroom = Showroom(people, ids | _globally(nordwind) | {"user": people[MEMBER].id}, world)
    weakref.finalize(showroom, shutil.rmtree, world, ignore_errors=True)
    return showroom


def open_doors(app: Flask, showroom: Showroom) -> None:
    """Set an application up as that of a furnished installation."""
    _be_a_demo(app, showroom.world)


def _be_a_demo(app: Flask, world: Path) -> None:
    app.config["POSTROOM"] = dataclasses.replace(
        app.config["POSTROOM"], is_demo=True, customer_mail_directory=str(world)
    )


def _write_a_notice(post: CustomersPost) -> None:
    """Mail of Postroom itself to the member, as the demo's mail server keeps it."""
    text = "Hello Lena,\r\n\r\nthe password of your account was just changed.\r\n"
    notice = f"From: Postroom <{SYSTEM_ADDRESS}>\r\nSubject: Your password was changed\r\n\r\n{text}"
    post.keep(notice.encode(), recipient="lena.hoffmann@nordwind.example")


def _set_up_the_system() -> None:
    override("oauth.google.client_id", "1234567890.apps.example", "system", by=ROSA.name)
    override("oauth.google.client_secret", "not a real secret", "system", by=ROSA.name)
    override("sync.interval_seconds", "120", "system", by=ROSA.name)
    lock("response.hourly_limit", "Our provider blocks accounts that send more.", by=ROSA.name)
    db.session.commit()


def _world(slug: str, admin: str, member: str) -> World:
    organization = db.session.scalars(select(Organization).where(Organization.slug == slug)).one()
    id, name = organization.id, organization.name
    with inside(id):
        people = {one.user.address: one for one in db.session.scalars(select(Membership))}
    return World(id, name, slug, people[admin], people[member])


def _disturb(mailbox: Mailbox) -> None:
    """It tries things out, has no way in, and was connected by somebody who has left."""
    mailbox.is_shadow, mailbox.action = True, "case"
    mailbox.action_settings = {"status": "open", "priority": "normal", "tags": []}
    account = db.session.scalars(select(Account).where(Account.id == mailbox.account_id)).one()
    account.state, account.last_error = "failing", REFUSED
    account.kind, account.imap_enabled = "google", True
    db.session.add(
        OAuthConnection(
            organization_id=mailbox.organization_id,
            account_id=account.id,
            kind="google",
            state="ended",
            identity=mailbox.address,
            connected_at=now() - timedelta(days=200),
            connected_by="Malte Voss",
        )
    )
    db.session.commit()


def _take_in(world: World) -> None:
    """History, then what is to be converted and answered."""
    with inside(world.id):
        for name, delay in (("history.yaml", timedelta()), ("arriving.yaml", timedelta(minutes=90))):
            everything = letters(name)
            for number, one in enumerate(everything):
                _arrive(one, everything, now() - delay + timedelta(minutes=number))
        own = select(Mailbox.account_id).where(Mailbox.global_mailbox_id.is_(None))
        for account_id in db.session.scalars(own).all():
            deliver(account_id)


def _arrive(one: Letter, everything: list[Letter], moment: datetime) -> None:
    mailbox = _mailbox_of(one)
    if mailbox is not None:
        raw = written(one, everything, moment)
        folder = "sent" if one.from_us else "inbox"
        at = one.sent_at(moment)
        arrive(mailbox, raw, folder=folder, received_at=at, is_history=bool(one.mailbox))


def _mailbox_of(one: Letter) -> Mailbox | None:
    """Where a letter ends up, if that is a mailbox of this organization's own."""
    name, _, domain = (one.mailbox or one.recipient).partition("@")
    address = f"{name.partition('+')[0]}@{domain}"
    return db.session.scalar(
        select(Mailbox).where(
            (Mailbox.address == address) | Mailbox.aliases.contains([address]),
            Mailbox.global_mailbox_id.is_(None),
        )
    )


def _mailbox(address: str) -> Mailbox:
    return db.session.scalars(select(Mailbox).where(Mailbox.address == address)).one()


def _quarantine() -> None:
    """One broken letter, and one that is too large."""
    mailbox = _mailbox("support@nordwind.example")
    broken, large = arrive(mailbox, letter("A broken invoice"), letter("A film of our tour"))
    for id, state, failure in (
        (broken, "quarantined", UNREADABLE),
        (large, "too_large", "The message has 61 MB; the mailbox takes messages of up to 50 MB."),
    ):
        arrival = db.session.scalars(select(Arrival).where(Arrival.id == id)).one()
        arrival.state, arrival.failure = state, failure
    db.session.commit()


def _work(world: World) -> dict[str, Any]:
    """What the people of an organization have begun; the ids that its pages need."""
    act_on_pending()
    _quarantine()
    override("mail.signature", "Nordwind Outdoor, Hamburg", "organization", by=world.admin.name)
    support = _mailbox("support@nordwind.example")
    _, token = invite("malte.voss@nordwind.example", [], by=Actor(world.admin.name, world.admin.user_id))
    make_token(world.admin, "Web shop", ["mailboxes:read", "leads:write"], None, by=ROSA)
    case = db.session.scalars(select(Case).where(Case.subject.contains("boots"))).one()
    tagged = db.session.scalars(select(Tag).where(Tag.name == "urgent")).one()
    comment = cases.comment(
        case, "Malte can do it on Friday.", world.member.id, world.member.name, is_public=False
    )
    message = db.session.scalars(select(Message).where(Message.subject == case.subject)).first()
    assert message is not None
    draft = drafts.begin_answer(world.member, message.id, "reply")
    note = write_note(world.member, message.thread_id, "The soles are in the store, third shelf.")
    drafts.save(draft, {"body": "Dear Ingrid,\n\nyes, they can be resoled."})
    looked_at = Selection(world.member, query=parse_query("boots"))
    boots = save_view(looked_at, "Boots", is_shared=False, may_share=False)
    db.session.add(ThreadTag(thread_id=message.thread_id, tag_id=tagged.id))
    db.session.commit()
    held = db.session.scalars(select(Arrival).where(Arrival.state == "quarantined")).one()
    return {
        "mailbox": support.id,
        "shadow": _mailbox("orders@nordwind.example").id,
        "followed": _mailbox("info@nordwind-group.example").id,
        "rule": _first(AutoResponseRule, AutoResponseRule.mailbox_id == support.id),
        "invitation": f"{world.id}/{token}",
        "case": case.id,
        "comment": comment.id,
        "note": note.id,
        "lead": _first(Lead),
        "contact": _first(Contact, Contact.name.contains("Ingrid")),
        "source": _first(LeadSource, LeadSource.key == "email"),
        "view": boots.id,
        "tag": tagged.id,
        "channel": _first(Channel),
        "webhook": _webhook(support),
        "template": _first(Template, Template.name == "Returns"),
        "role": _first(Role, Role.name == "Service"),
        "token": _first(ApiToken),
        "message": message.id,
        "thread": message.thread_id,
        "draft": draft.id,
        "held": held.id,
    }


def _webhook(mailbox: Mailbox) -> UUID:
    """One that was told something, and could not be told something else."""
    values = WebhookValues("Warehouse", "https://warehouse.nordwind.example/hooks", ("case.made",))
    webhook, _ = make_webhook(values, by=ROSA, may=PERMISSIONS)
    given = {"webhook_id": webhook.id, "mailbox_id": mailbox.id, "give_up_at": now()}
    tried = {"attempts": 3, "attempted_at": now(), "milliseconds": 87}
    answered = {"status": 500, "answer": "The database is away.\nTry again later.", **tried}
    db.session.add_all(
        [
            WebhookCall(kind="case.made", state="told", **given, **tried | {"status": 204, "attempts": 1}),
            WebhookCall(kind="case.made", **given, **answered),
            WebhookCall(kind="webhook.test", state="failed", error="This server cannot be used.", **given),
        ]
    )
    db.session.commit()
    return webhook.id


def _globally(home: World) -> dict[str, Any]:
    """Rules of routing, messages that they send to organizations, and one that nobody can place."""
    with inside_installation("a test") as session:
        routed = session.scalars(
            select(GlobalMailbox).where(GlobalMailbox.address == "info@nordwind-group.example")
        ).one()
        account = session.get_one(Account, routed.account_id)
        rule = add_rule(account, RuleValues("tag", "+tents", home.id), by=ROSA)
        add_rule(account, RuleValues("sender_domain", "alpenverein.example", home.id), by=ROSA)
        session.commit()
        ids = {"global": routed.id, "account": account.id, "routing_rule": rule.id}
        ids["global_rule"] = UUID(routed.said("rules")[0]["key"])
    to = "info+tents@nordwind-group.example"
    (ids["routed"],) = receive_globally(account.id, letter("Which tent for Iceland?", to=to))
    ids["letter"] = uuid7()
    (ids["unrouted"], *_) = receive_globally(
        account.id,
        letter("Who is responsible for press enquiries?", sender="Maren Holt <holt@wochenblatt.example>"),
        letter("Bewerbung im Verkauf", sender="Jule Adam <jule.adam@posteo.example>"),
    )
    (ids["held_globally"],) = arrive_globally(
        account.id, letter("A letter that cannot be read"), state="quarantined", failure=UNREADABLE
    )
    return ids


def _first(table: type[Base], *conditions: Any) -> UUID:
    row: Any = db.session.scalars(select(table).where(*conditions)).first()
    assert row is not None, f"the showroom has no {table.__name__}"
    id: UUID = row.id
    return id


def _user(address: str) -> User:
    return db.session.scalars(select(User).where(User.address == address)).one()
