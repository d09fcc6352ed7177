"""By which server a mailbox sends, and as whom.

A mailbox sends by its account's SMTP. Without one it sends by the system's, from its own address only if
that is proven: the account signs in as this address and has been read, or somebody opened a link that
was mailed to it (`mailboxes.proofs`). Otherwise the system's address is the sender, and the mailbox stands
in Reply-To (product §9).
"""

from dataclasses import dataclass
from uuid import UUID

from flask import current_app
from sqlalchemy import select, update

from mailboxes.accounts import Account
from mailboxes.composing import Mailer
from mailboxes.connections import smtp_settings
from mailboxes.outgoing.outbox import sending_stop
from mailboxes.proofs import is_proven
from mailboxes.smtp import SmtpSettings
from mailboxes.system_mailboxes import Mailbox
from tenants.application import settings_of
from tenants.configuration.catalog import ORGANIZATION, SYSTEM
from tenants.configuration.layers import effective, secret_of, value_of
from tenants.database import across_organizations, db
from tenants.database.portions import asked_once
from tenants.secrets import UnreadableSecretError

NO_SERVER = "This mailbox has no SMTP server, and the system has none either."
NO_ADDRESS = (
    "This mailbox has no SMTP server of its own, its address is not proven, "
    "and the system has no sender address."
)
UNREADABLE = "The stored SMTP password cannot be read. Type it again."


@dataclass(frozen=True, slots=True)
class Sender:
    """As whom a mailbox writes. ``reply_to``: the mailbox, where it may not be the sender."""

    mailer: Mailer
    reply_to: Mailer | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A server, and the sender it takes. ``account_id``: whose server it is; None for the system's."""

    settings: SmtpSettings
    sender: Sender
    account_id: UUID | None = None
    refuses_null_sender: bool = False


@asked_once
def route_of(mailbox: Mailbox) -> Route | str:
    """How this mailbox sends, or a sentence that says why it cannot."""
    account = account_behind(mailbox)
    try:
        own = smtp_settings(account) if account is not None else None
    except UnreadableSecretError:
        return UNREADABLE
    if account is not None and own is not None:
        return Route(own, Sender(_mailer(mailbox)), account.id, account.smtp_refuses_null_sender)
    return _system_route(mailbox, account)


def carries(route: Route, sender_address: str) -> bool:
    """Whether a message that was written as this sender may go this way.

    It is asked anew before each attempt: the system's server sends as nobody whom it has not proven, also
    where the mailbox had a server of its own when the message was written.
    """
    if route.account_id is not None:
        return True
    return sender_address.lower() in {route.sender.mailer.address.lower(), _address_for_unproven().lower()}


@asked_once
def sending_problem(mailbox: Mailbox) -> str:
    """Why this mailbox cannot send now, in a sentence; "" if it can."""
    route = route_of(mailbox)
    return route if isinstance(route, str) else sending_stop(mailbox)


@asked_once
def account_behind(mailbox: Mailbox) -> Account | None:
    """The account of a mailbox, also a global one, which its organization does not see."""
    query = select(Account).where(Account.id == mailbox.account_id)
    if not mailbox.is_global:
        return db.session.scalar(query)
    with across_organizations("a global account sends for the mailbox of an organization") as session:
        return session.scalar(query)


def remember_null_sender_refused(mailbox: Mailbox) -> None:
    """This server takes no empty envelope sender; the next message comes with an address (S9)."""
    statement = update(Account).where(Account.id == mailbox.account_id)
    statement = statement.values(smtp_refuses_null_sender=True)
    if not mailbox.is_global:
        db.session.execute(statement)
        return
    with across_organizations("a global account's server refuses the empty sender") as session:
        session.execute(statement)
        session.commit()


def _system_route(mailbox: Mailbox, account: Account | None) -> Route | str:
    host = str(value_of("smtp.host"))
    if not host:
        return NO_SERVER
    if _is_proven(mailbox, account):
        return Route(_system_settings(host), Sender(_mailer(mailbox)))
    address = _address_for_unproven()
    if not address:
        return NO_ADDRESS
    via = str(value_of("notice.sender_name"))
    shown = f"{mailbox.label} via {via}" if via else mailbox.label
    sender = Sender(Mailer(shown, address), reply_to=_mailer(mailbox))
    return Route(_system_settings(host), sender)


def _address_for_unproven() -> str:
    """The address of whoever owns the server: an organization names none that the system's sends for."""
    owner = ORGANIZATION if effective("smtp.host").level == ORGANIZATION else SYSTEM
    return str(effective("notice.sender_address", owner).value)


def _is_proven(mailbox: Mailbox, account: Account | None) -> bool:
    if account is None:
        return False
    if not mailbox.is_global:
        return is_proven(account, mailbox.address, db.session())
    with across_organizations("a global account's proofs count where its mailboxes send") as session:
        return is_proven(account, mailbox.address, session)


def _system_settings(host: str) -> SmtpSettings:
    return SmtpSettings(
        host=host,
        port=int(value_of("smtp.port")),
        encryption=value_of("smtp.encryption"),
        user=str(value_of("smtp.user")),
        password=secret_of("smtp.password"),
        ca_file=settings_of(current_app).ca_file,
    )


def _mailer(mailbox: Mailbox) -> Mailer:
    return Mailer(mailbox.label, mailbox.address)
