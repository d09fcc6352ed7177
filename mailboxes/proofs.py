"""Addresses that somebody has proven: a link mailed to the address was opened by an administrator.

Without SMTP of its own a mailbox sends through the configured server, and from its own address only if
that is proven (product §9). Whoever opens the link can read what is sent to the address, and the page
behind it demands the right to manage the mailbox: neither a stranger who clicks on anything nor an
administrator who only types an address proves it alone. A proof belongs to an account; it goes along when
the mailbox reads another one.
"""

import secrets as random
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import Select, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from mailboxes.accounts import Account
from mailboxes.discovery.providers import is_known_server
from mailboxes.notices import Notice, call_off, can_send, cut_line, queue_notice
from tenants.application import settings_of
from tenants.database import Base, OptionallyScoped, db, now, owned_key, uuid7
from tenants.errors import ConflictError, NotFoundError
from tenants.secrets import hash_of_token

LIFETIME = timedelta(hours=24)
PAUSE = timedelta(minutes=2)
MOST_A_DAY = 20  # links of one owner: nobody's mail is flooded through us
KIND = "address.proof"
LETTER = """\
Hello,

{who} wants {what} to send mail as {address}
through Postroom, {base}

If that is right, open this link while you are signed in as an administrator there. It works once,
until {until} (UTC):

{link}

If you did not expect this, do nothing: without the link nothing is sent from this address.
"""


class AddressProof(OptionallyScoped, Base):
    """An address that an account may send as, once it is confirmed. Only the hash of the link is kept."""

    __tablename__ = "address_proofs"
    __table_args__ = (
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        UniqueConstraint("owner_id", "account_id", "address"),
        UniqueConstraint("owner_id", "token_hash"),
    )

    account_id: Mapped[UUID]
    address: Mapped[str]  # lower case
    token_hash: Mapped[bytes | None] = mapped_column(default=None)
    asked_at: Mapped[datetime] = mapped_column(default=now)
    asked_by: Mapped[str]
    expires_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None] = mapped_column(default=None)
    confirmed_by: Mapped[str] = mapped_column(default="")


def ask_for_proof(account: Account, address: str, place: str, what: str, *, by: str) -> None:
    """Mail a link to the address. The caller commits, and rings for notices.

    ``place``: the path of the page that takes the link's token. ``what``: whose mail that would be.
    `ConflictError` if one was sent a moment ago, too many were, or the system cannot send.
    """
    if not can_send():
        raise ConflictError("The system has no SMTP server for notices, so no link can be sent.")
    proof = db.session.scalar(_proofs(account).where(AddressProof.address == address).with_for_update())
    _demand_patience(proof)
    token = random.token_urlsafe(32)
    if proof is None:
        proof = AddressProof(
            id=uuid7(), organization_id=account.organization_id, account_id=account.id, address=address
        )
        db.session.add(proof)
    proof.token_hash, proof.asked_at, proof.expires_at = hash_of_token(token), now(), now() + LIFETIME
    proof.asked_by = by
    db.session.flush()
    call_off(proof.id)
    base = settings_of(current_app).base_url
    queue_notice(
        KIND,
        address,
        "Confirm this address",
        LETTER.format(
            who=cut_line(by),
            what=cut_line(what),
            address=address,
            base=base,
            until=f"{proof.expires_at:%Y-%m-%d %H:%M}",
            link=f"{base}{place}/{token}",
        ),
        about_id=proof.id,
        lifetime=LIFETIME,
    )


def proof_of_link(token: str, *, to_confirm: bool = False) -> AddressProof:
    """The proof that a link of this owner would give; `NotFoundError` if it is used, over or none of ours."""
    query = select(AddressProof).where(
        AddressProof.token_hash == hash_of_token(token), AddressProof.expires_at > now()
    )
    proof = db.session.scalar(query.with_for_update() if to_confirm else query)
    if proof is None:
        raise NotFoundError(
            "This link has been used, is too old, or belongs to another organization. Switch to that "
            "organization in the header and open it again, or ask for a new link."
        )
    return proof


def confirm(token: str, *, by: str) -> AddressProof:
    """The address is proven; the link is used up. The caller commits."""
    proof = proof_of_link(token, to_confirm=True)
    proof.token_hash, proof.confirmed_at, proof.confirmed_by = None, now(), by
    db.session.flush()
    return proof


def proofs_of(account: Account) -> dict[str, AddressProof]:
    """What was asked for and what is proven, by address."""
    return {proof.address: proof for proof in db.session.scalars(_proofs(account))}


def is_proven(account: Account, address: str, session: Session) -> bool:
    """Whether an account may send as an address: it signs in as it and was let in, or by a link."""
    if signs_in_as(account, address):
        return True
    proven = _proofs(account).where(AddressProof.address == address, AddressProof.confirmed_at.is_not(None))
    return session.scalar(proven) is not None


def signs_in_as(account: Account, address: str) -> bool:
    """Whether the account's own login proves the address.

    An organization names the server of its account itself, and one of its own lets anybody in: only a server
    within the address's domain vouches for it, or a known provider's.
    """
    if account.synced_at is None or account.imap_user.strip().lower() != address:
        return False
    return account.organization_id is None or _vouches_for(account.imap_host.lower(), address)


def _vouches_for(host: str, address: str) -> bool:
    domain = address.rpartition("@")[2]
    return host == domain or host.endswith(f".{domain}") or is_known_server(host)


def _proofs(account: Account) -> Select[AddressProof]:
    return select(AddressProof).where(AddressProof.account_id == account.id)


def _demand_patience(proof: AddressProof | None) -> None:
    if proof is not None and proof.token_hash is not None and proof.asked_at > now() - PAUSE:
        raise ConflictError("A link was sent a moment ago. Look for it, or wait two minutes.")
    today = select(func.count()).where(Notice.kind == KIND, Notice.made_at > now() - timedelta(days=1))
    if (db.session.scalar(today) or 0) >= MOST_A_DAY:
        raise ConflictError("Many links were sent today. Go on tomorrow, or use those that were sent.")
