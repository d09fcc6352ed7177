"""What notes on conversations and comments on cases have in common: members write them for one another."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from tenants.database import db, now
from tenants.errors import ForbiddenError, InvalidError
from tenants.organizations import Membership


class Remark:
    """The author's name stays when they leave."""

    author_id: Mapped[UUID | None]
    author_name: Mapped[str]
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(default=now)
    edited_at: Mapped[datetime | None] = mapped_column(default=None)


def remark_text(text: str) -> str:
    """What is kept of a text; `InvalidError` where nothing is."""
    kept = texts.notes(text)
    if not kept:
        raise InvalidError("Write something first.", field="text")
    return kept


def demand_author(remark: Remark, member: Membership) -> None:
    """`ForbiddenError` for everybody else: what somebody wrote stands under their name."""
    if remark.author_id != member.id:
        raise ForbiddenError("Only who wrote it may change or remove it.")


def rewrite(remark: Remark, text: str, member: Membership) -> bool:
    """Let the author write it anew; whether it is another text."""
    demand_author(remark, member)
    kept = remark_text(text)
    if kept == remark.text:
        return False
    remark.text, remark.edited_at = kept, now()
    db.session.flush()
    return True
