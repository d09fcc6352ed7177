"""One of everything that a page can be about, in an organization and in the installation; again for more.

The ids are named as the arguments of routes are, those of the installation's rows behind the name of the
blueprint whose argument they are (``routing.rule_id``).
"""

from datetime import timedelta
from itertools import count
from uuid import UUID

from sqlalchemy import select

from mailboxes import rules
from mailboxes.accounts import Account
from mailboxes.conditions import Condition
from mailboxes.crm.cases import Case, CaseComment
from mailboxes.crm.channels import Channel
from mailboxes.crm.contacts import Contact, ContactAddress
from mailboxes.crm.lead_sources import add_lead_source
from mailboxes.crm.leads import Lead
from mailboxes.crm.system_sources import add_system_source
from mailboxes.drafts import Draft
from mailboxes.global_mailboxes import following, saving
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.global_mailboxes.system_rules import SystemRule, keep_rule
from mailboxes.inbox.saved_views import SavedView
from mailboxes.inbox.subscriptions import Subscription
from mailboxes.intake import deliver
from mailboxes.messages import Message
from mailboxes.routing.rules import RuleValues, add_rule
from mailboxes.setup import FolderChoice, MailboxValues
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import TemplateValues, save_template
from mailboxes.templates.system import save_system_template
from mailboxes.threads import ThreadRecord
from mailboxes.threads.notes import Note
from mailboxes.threads.tags import ThreadTag, define_tag
from mailboxes.webhooks.setup import WebhookValues, make_webhook, send_test
from mailboxes.webhooks.table import KINDS
from mailboxes.webhooks.telling import tell
from tenants.api_tokens import api_tokens, make_token
from tenants.audit import Actor, record, record_for_system
from tenants.configuration.layers import override
from tenants.database import db, inside, inside_installation, now, uuid7
from tenants.organizations import Membership
from tenants.people.invitations import invite
from tenants.permissions import PERMISSIONS, Role
from tests.factories import World, make_mailbox, make_message
from tests.mailboxes.arriving import arrive, letter

ADA, SAM = Actor("Ada"), Actor("Sam System")
INBOX = FolderChoice(b"INBOX", "INBOX", "/", "inbox", True, 3)
TEXTS = {"en": ("Hello", "Hello"), "de": ("Hallo", "Hallo")}
_number = count(1)

Ids = dict[str, UUID | str]


def make_everything(world: World) -> Ids:
    """One more of everything. The ids of what was made."""
    return {**_in_the_installation(world, next(_number)), **make_everything_inside(world)}


def make_everything_inside(world: World) -> Ids:
    """One more of everything that an organization has without the installation's help."""
    number = next(_number)
    mailbox = make_mailbox(world, action="lead")
    message = make_message(world, mailbox)
    with inside(world.id):
        ids = _records(world, message, number) | _set_up(mailbox, number)
        override("mail.signature", f"Number {number}", "organization", by="Ada")
        override("sync.interval_seconds", str(60 + number), "organization", by="Ada")
        record(ADA, "test.done", f"number {number}")
        inviter = Actor("Ada", world.admin.user_id)
        ids["invitation_id"] = invite(f"guest{number}@{world.canary}.test", [], by=inviter)[0].id
        ids["mailboxes.arrival_id"] = arrive(mailbox, letter(), state="quarantined", failure="Too deep")[0]
        db.session.commit()
    return {
        "organization_id": world.id,
        "mailbox_id": mailbox.id,
        "message_id": message.id,
        "thread_id": message.thread_id,
        "member_id": world.member.id,
        "user_id": world.member.user_id,
        **ids,
    }


def _records(world: World, message: Message, number: int) -> Ids:
    contact, lead = Contact(name=f"Contact {number}"), Lead(name=f"Lead {number}", owner_id=world.member.id)
    case = Case(subject=f"Case {number}", owner_id=world.member.id, assignee_id=world.admin.id)
    draft = Draft(membership_id=world.member.id, mailbox_id=message.mailbox_id, thread_id=message.thread_id)
    draft.answers_id = message.id
    db.session.add_all([contact, lead, case, draft])
    db.session.flush()
    wrote = {"author_id": world.member.id, "author_name": "Ada"}
    comment = CaseComment(case_id=case.id, text="Seen", **wrote)
    note = Note(thread_id=message.thread_id, text="Mind the lamp", **wrote)
    tag = define_tag(f"tag {number}")
    view = SavedView(name=f"View {number}", membership_id=world.member.id, query=f'tag:"{tag.name}"')
    db.session.add(view)
    db.session.add(ThreadTag(thread_id=message.thread_id, tag_id=tag.id))
    lead.contact_id = case.contact_id = contact.id
    db.session.add_all(
        [
            ContactAddress(contact_id=contact.id, address=f"contact{number}@{world.canary}.test"),
            comment,
            note,
            ThreadRecord(thread_id=message.thread_id, kind="lead", lead_id=lead.id),
            ThreadRecord(thread_id=message.thread_id, kind="case", case_id=case.id),
            _subscription(world, message),
        ]
    )
    db.session.flush()
    return {
        "view_id": view.id,
        "contact_id": contact.id,
        "lead_id": lead.id,
        "case_id": case.id,
        "comment_id": comment.id,
        "note_id": note.id,
        "tag_id": tag.id,
        "draft_id": draft.id,
    }


def _subscription(world: World, message: Message) -> Subscription:
    wanted = Subscription(membership_id=world.member.id, mailbox_id=message.mailbox_id, digest="daily")
    wanted.due_at, wanted.told_through = now() + timedelta(days=1), message.id
    return wanted


def _set_up(mailbox: Mailbox, number: int) -> Ids:
    source, channel = add_lead_source(f"Source {number}"), Channel(name=f"Channel {number}")
    role = Role(name=f"Role {number}", permissions=["lead.view"])
    member = db.session.scalars(select(Membership).order_by(Membership.id).limit(1)).one()
    make_token(member, f"Program {number}", ["leads:read"], None, by=ADA)
    token = db.session.scalars(api_tokens().limit(1)).one()
    db.session.add_all([channel, role])
    template = save_template(TemplateValues(f"Template {number}", texts=TEXTS), by=ADA)
    mailbox.action_settings = {"source": source.key}
    db.session.merge(mailbox)
    is_any = (Condition("subject", "contains", "x"),)
    rule = rules.add_rule(
        mailbox, rules.RuleValues(f"Rule {number}", is_any, template_id=template.id), by=ADA
    )
    chosen = WebhookValues(f"Hook {number}", "https://hooks.test/", tuple(KINDS), frozenset({mailbox.id}))
    webhook, _ = make_webhook(chosen, by=ADA, may=PERMISSIONS)
    tell("mailbox.failing", mailbox_id=mailbox.id, because="failing")
    send_test(webhook, by=ADA)
    return {
        "webhook_id": webhook.id,
        "source_id": source.id,
        "channel_id": channel.id,
        "role_id": role.id,
        "token_id": token.id,
        "template_id": template.id,
        "rule_id": rule.id,
    }


def _in_the_installation(world: World, number: int) -> Ids:
    with inside_installation("a test") as session:
        add_system_source(f"Fair {number}", f"fair_{number}")
        offered = save_system_template(TemplateValues(f"Offered {number}", texts=TEXTS), by=SAM)
        source = saving.create(_global_values(number), [INBOX], by=SAM)
        saving.serve(source, [world.id], by=SAM)
        rule = SystemRule(uuid7(), f"Rule {number}", (Condition("subject", "contains", "x"),), offered.key)
        keep_rule(source, rule, by=SAM)
        override("sync.interval_seconds", str(60 + number), "system", by="Sam")
        record_for_system(SAM, "test.done", f"number {number}")
        session.commit()
    following.follow(source.id)
    with inside_installation("a test") as session:
        account = session.get_one(Account, source.account_id)
        routed = add_rule(account, RuleValues("tag", f"+tag{number}", world.id), by=SAM)
        read = Mailbox(account_id=account.id, organization_id=None)
        [unrouted] = arrive(read, letter(f"Nobody's {number}"), state="unrouted")
        [held] = arrive(read, letter(), state="quarantined", failure="Too deep")
        [moved] = arrive(read, letter(to=f"info{number}+tag{number}@everybody.test"))
        deliver(account.id)
    return {
        "account_id": account.id,
        "arrival_id": unrouted,
        "system_mailboxes.mailbox_id": source.id,
        "system_mailboxes.rule_id": rule.key,
        "system_mailboxes.arrival_id": held,
        "routing.rule_id": routed.id,
        "routing_moves.arrival_id": moved,
        "system_lead_sources.key": f"fair_{number}",
        "system_templates.key": offered.key,
    }


def _global_values(number: int) -> GlobalValues:
    connection = {"imap_host": "imap.everybody.test", "imap_user": "info", "imap_password": "hunter2hunter2"}
    address = f"info{number}@everybody.test"
    mailbox = MailboxValues(label=f"Info {number}", address=address, folders=[b"INBOX"], **connection)
    return GlobalValues(mailbox)
