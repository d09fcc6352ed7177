"""By what later messages are recognised: a minimal index, so that no organization's messages are searched.

A mark is a keyed digest that leads to an organization: of a message's stable hash (its copies stay together),
of a Message-ID with somebody who wrote or got that message (their answers follow it), and of a thread that
was moved (our tokens of it follow). Nothing can be read in a mark, and nobody without the installation's
secret can make one up. A stranger who quotes a Message-ID has no mark with it. The first one stays.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from flask import current_app
from sqlalchemy import ForeignKey, Index, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.routing.reading import Letter
from tenants.application import settings_of
from tenants.database import Base, db
from tenants.database.bulk import among

_DIGEST_BYTES = 16


class RouteMark(Base):
    """What leads to an organization; of one account."""

    __tablename__ = "route_marks"
    __table_args__ = (Index("ix_route_marks_organization_id", "organization_id", "account_id"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))


def copy_mark(letter: Letter) -> bytes:
    """The mark of this very message."""
    return _digest("copy", letter.stable_hash.hex())


def answer_marks(letter: Letter) -> list[bytes]:
    """The marks by which an answer would be recognised, the nearest parent first."""
    return [_pair(parent, person) for parent in letter.parents for person in letter.witnesses]


def marks_made_by(letter: Letter) -> list[bytes]:
    """The marks that a delivered message leaves: its own, and one for everybody who takes part."""
    people = [_pair(letter.message_id, person) for person in letter.people if letter.message_id]
    return [copy_mark(letter), *people]


def moved_thread_mark(organization_id: UUID, thread_id: UUID) -> bytes:
    """The mark of a conversation that has left an organization whole."""
    return _digest("thread", f"{organization_id}|{thread_id}")


def organizations_marked(account_id: UUID, digests: Iterable[bytes]) -> dict[bytes, UUID]:
    """Where marks lead to, in one query."""
    wanted = set(digests)
    if not wanted:
        return {}
    query = select(RouteMark.digest, RouteMark.organization_id).where(
        RouteMark.account_id == account_id, among(RouteMark.digest, wanted)
    )
    return {row.digest: row.organization_id for row in db.session.execute(query)}


def keep_marks(account_id: UUID, marks: Mapping[bytes, UUID], served: Collection[UUID]) -> None:
    """Keep marks. The first one stays, unless the organization it leads to is not ``served`` any more."""
    if not marks:
        return
    rows = [
        {"account_id": account_id, "digest": digest, "organization_id": organization_id}
        for digest, organization_id in sorted(marks.items())  # one order, so that nobody waits in a circle
    ]
    statement = insert(RouteMark)
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "digest"],
            set_={"organization_id": statement.excluded.organization_id},
            where=~among(RouteMark.organization_id, served),
        ),
        rows,
    )


def lead_marks(account_id: UUID, digests: Iterable[bytes], organization_id: UUID) -> None:
    """These lead to an organization from now on, wherever they led before. The caller commits."""
    rows = [
        {"account_id": account_id, "digest": digest, "organization_id": organization_id}
        for digest in sorted(digests)
    ]
    if rows:
        statement = insert(RouteMark)
        anew = {"organization_id": statement.excluded.organization_id}
        statement = statement.on_conflict_do_update(index_elements=["account_id", "digest"], set_=anew)
        db.session.execute(statement, rows)


def forget_marks(account_id: UUID, organization_id: UUID, digests: Collection[bytes]) -> None:
    """These no longer lead to this organization. The caller commits."""
    db.session.execute(
        delete(RouteMark).where(
            RouteMark.account_id == account_id,
            RouteMark.organization_id == organization_id,
            among(RouteMark.digest, digests),
        )
    )


def _pair(message_id: str, person: str) -> bytes:
    return _digest("answer", f"{message_id}|{person}")


def _digest(kind: str, text: str) -> bytes:
    key = settings_of(current_app).secret_key.encode()
    return hmac.digest(key, f"route|{kind}|{text}".encode("utf-8", "replace"), hashlib.sha256)[:_DIGEST_BYTES]
