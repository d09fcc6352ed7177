"""Rows for tests. Each names its organization; each commits, so that every session sees it."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask, current_app

from mailboxes.accounts import Account, Folder
from mailboxes.system_mailboxes import Mailbox, MailboxGrant
from tenants.database import db, inside, now
from tenants.organizations import Membership, Organization
from tenants.permissions import ADMINISTRATOR, MEMBER, grant_role, offer_system_roles
from tenants.users import User, choose_password

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
    user = User(address=address or f"person{next(_number)}@example.test", **{"name": "Pat Person", **given})
    with current_app.app_context():
        db.session.add(user)
        db.session.flush()
        choose_password(user, PASSWORD)
        db.session.commit()
    return user


def make_organization(name: str, **given: Any) -> World:
    """An organization with an administrator and a member (who holds the role Member)."""
    number = next(_number)
    organization = Organization(name=name, slug=f"{name.lower().replace(' ', '-')}-{number}", **given)
    with current_app.app_context():
        db.session.add(organization)
        db.session.commit()
    canary = f"canary{number}{name.lower().replace(' ', '')}"
    admin = make_member(organization.id, f"Ada {canary}", role=ADMINISTRATOR)
    member = make_member(organization.id, f"Mia {canary}", role=MEMBER)
    return World(organization.id, name, canary, admin, member)


def make_member(organization_id: UUID, name: str = "Mo Member", role: str | None = MEMBER) -> Membership:
    """A user who belongs to the organization, with one of the system's roles."""
    user = make_user(name=name, current_organization_id=organization_id)
    with inside(organization_id):
        offered = offer_system_roles()
        member = Membership(user_id=user.id)
        db.session.add(member)
        db.session.flush()
        if role is not None:
            grant_role(member, offered[role].id)
        db.session.commit()
        assert member.user.name  # loaded, for use outside
    return member


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


def sign_in(app: Flask, who: User | Membership) -> Any:
    """A test client in which this person has signed in through the door."""
    user = who.user if isinstance(who, Membership) else who
    client = app.test_client()
    page = client.get("/sign-in")
    token = csrf_token(page.text)
    answer = client.post(
        "/sign-in", data={"csrf_token": token, "address": user.address, "password": PASSWORD}
    )
    assert answer.status_code == 302, answer.text
    return client


def csrf_token(html: str) -> str:
    """The token of a page's form."""
    import re

    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html) or re.search(
        r'name="csrf-token" content="([^"]+)"', html
    )
    assert found, "the page has no form with a csrf_token"
    return found.group(1)
