"""Every stored secret, encrypted anew with the newest key."""

import base64
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from mailboxes.accounts import Account
from mailboxes.notices import Notice
from mailboxes.oauth import OAuthConnection
from mailboxes.webhooks.table import Webhook
from tenants import secrets
from tenants.configuration.catalog import CATALOG
from tenants.configuration.overrides import OrganizationOverride, SystemOverride
from tenants.database import INSTALLATION, across_organizations
from tenants.users.second_factor import SecondFactor


def reencrypt_all() -> int:
    """Rotate all secrets of the installation in one transaction; how many were not current."""
    with across_organizations("key rotation touches every stored secret") as session:
        count = _rows(session, Account, ("imap_secret", "smtp_secret"))
        count += _rows(session, OAuthConnection, ("access_secret", "refresh_secret", "verifier_secret"))
        count += _rows(session, Webhook, ("secret", "former_secret"))
        count += _overrides(session) + _second_factors(session) + _notices(session)
        session.commit()
    return count


def _rows(session: Session, table: Any, columns: tuple[str, ...]) -> int:
    count = 0
    for row in session.scalars(select(table).with_for_update()):
        for column in columns:
            blob: bytes | None = getattr(row, column)
            if blob and not secrets.is_current(blob):
                setattr(row, column, _again(blob, table.__tablename__, row.id, column))
                count += 1
    return count


def _second_factors(session: Session) -> int:
    count = 0
    for factor in session.scalars(select(SecondFactor).with_for_update()):
        if not secrets.is_current(factor.secret):
            factor.secret = _again(factor.secret, "second_factors", factor.user_id, "secret")
            count += 1
    return count


def _notices(session: Session) -> int:
    count = 0
    for notice in session.scalars(select(Notice).where(Notice.content.is_not(None)).with_for_update()):
        if notice.content and not secrets.is_current(notice.content):
            notice.content = _again(notice.content, "notices", notice.id, "content")
            count += 1
    return count


def _overrides(session: Session) -> int:
    keys = [setting.key for setting in CATALOG.values() if setting.is_secret]
    rows: list[SystemOverride | OrganizationOverride] = [
        *session.scalars(select(SystemOverride).where(SystemOverride.key.in_(keys)).with_for_update()),
        *session.scalars(
            select(OrganizationOverride).where(OrganizationOverride.key.in_(keys)).with_for_update()
        ),
    ]
    return sum(_rotate_override(row) for row in rows)


def _rotate_override(row: SystemOverride | OrganizationOverride) -> bool:
    blob = base64.b64decode(row.value or "")
    if not blob or secrets.is_current(blob):
        return False
    owner = row.organization_id if isinstance(row, OrganizationOverride) else INSTALLATION
    row.value = base64.b64encode(_again(blob, row.__tablename__, owner, row.key)).decode()
    return True


def _again(blob: bytes, table: str, row: UUID, column: str) -> bytes:
    secret = secrets.decrypt(blob, table=table, row=row, column=column)
    return secrets.encrypt(secret, table=table, row=row, column=column)
