"""Organizations of an installation, each with a mailbox that everybody is answered by."""

from dataclasses import dataclass
from uuid import UUID

from mailboxes import setup
from mailboxes.crm.channels import add_channel
from mailboxes.offering import create_organization
from mailboxes.rules import RuleValues, add_rule
from mailboxes.setup import FolderChoice, Grant, MailboxValues
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import TemplateValues
from tenants import audit
from tenants.audit import Actor
from tenants.configuration.catalog import ORGANIZATION
from tenants.configuration.layers import override
from tenants.database import db
from tenants.organizations import Membership, Organization
from tenants.permissions import MEMBER
from tests.factories import make_member
from tests.faults.mail_account import INBOX, ImapAccount
from tests.smtp_sink import Sink

ADDRESS, NEIGHBOURS_ADDRESS = "help@acme.test", "help@neighbour.test"
SENT = "Sent"
BY = Actor("The set-up")
THANKS = TemplateValues(
    texts={"en": ("Auto: {{ message.subject }}", "Dear {{ sender.name }},\n\nthank you, we read it soon.\n")}
)
MANY = "100000"  # automatic responses in an hour
_ACTION_SETTINGS = {"lead": {"source": "email"}, "case": {"status": "open", "priority": "normal"}}


@dataclass(frozen=True)
class Seeded:
    """What stands in an organization after `seed`."""

    organization_id: UUID
    mailbox_id: UUID
    account_id: UUID
    member_address: str


def values_of(
    address: str, account: ImapAccount, sink: Sink, *, user: str, action: str, history: str
) -> MailboxValues:
    """A mailbox that reads a user's mail on the server of an account, and sends to the sink."""
    return MailboxValues(
        label="Help",
        address=address,
        imap_host=account.host,
        imap_port=account.port,
        imap_encryption=account.encryption,
        imap_user=user,
        imap_password=account.password,
        smtp_enabled=True,
        smtp_host=sink.host,
        smtp_port=sink.tls_port,
        smtp_encryption="tls",
        smtp_user=sink.user,
        smtp_password=sink.password,
        folders=[INBOX.encode(), SENT.encode()],
        history=history,
        action=action,
    )


def seed(name: str, values: MailboxValues) -> Seeded:
    """An organization with a member and this mailbox, which answers everybody."""
    organization = create_organization(name, name.lower(), by=BY.name)
    db.session.commit()
    member = make_member(organization.id, f"Mia of {name}", role=MEMBER)
    mailbox = _mailbox(organization, member, values)
    return Seeded(organization.id, mailbox.id, mailbox.account_id, member.user.address)


def _mailbox(organization: Organization, member: Membership, values: MailboxValues) -> Mailbox:
    values.grants = [Grant("reply", membership_id=member.id)]
    folders = [
        FolderChoice(INBOX.encode(), INBOX, "/", "inbox", True, 0),
        FolderChoice(SENT.encode(), SENT, "/", "sent", True, 0),
    ]
    add_channel("Sales")
    values.action_settings = _ACTION_SETTINGS.get(values.action, {}) | {"owner": str(member.id)}
    mailbox = setup.create(values, folders, by=BY)
    db.session.flush()
    add_rule(mailbox, RuleValues("Thanks", response=THANKS), by=BY)
    for key in ("response.hourly_limit", "response.daily_limit"):
        override(key, MANY, ORGANIZATION, by=BY.name)
        audit.record(BY, "configuration.changed", key, {}, {key: MANY})
    db.session.commit()
    return mailbox
