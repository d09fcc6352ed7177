"""What the system offers to every organization: its revision, and who has which.

An offer (a lead source, an email template) is copied into each organization with a ``system_key`` and
follows the system until it is overridden there. The system's tables are the truth; each change of them
raises a revision, and an organization remembers the one that was carried to it. Whoever is behind is
brought up to date by `mailboxes.offering.carry_offers`, which may die at any point and be called again.
"""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from tenants.database import Base, db

# An id as `tenants.database.uuid7` makes them, for rows that are made by a statement.
NEW_ID = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""


class SystemOffer(Base):
    """A kind of things that is offered, and how often the system changed it."""

    __tablename__ = "system_offers"

    kind: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(default=1)


def begins(kind: str) -> bool:
    """Whether nothing of this kind was ever offered; true once, for whoever then offers what is built in."""
    begun = text("INSERT INTO system_offers (kind, revision) VALUES (:kind, 1) ON CONFLICT DO NOTHING")
    return bool(db.session.execute(begun, {"kind": kind}).rowcount)  # type: ignore[attr-defined]


def mark_changed(kind: str) -> None:
    """What is offered differs from now on: every organization is behind."""
    raised = text("UPDATE system_offers SET revision = revision + 1 WHERE kind = :kind")
    db.session.execute(raised, {"kind": kind})


def current_revision(session: Session | None = None) -> int:
    """The number an organization has that is up to date."""
    revisions = select(func.coalesce(func.sum(SystemOffer.revision), 0))
    return int((session or db.session()).scalar(revisions) or 0)
