"""Sales channels: only an organization with an active one converts to leads."""

from uuid import UUID

from sqlalchemy import Select, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from tenants.database import Base, OrganizationScoped, db
from tenants.database.portions import asked_once
from tenants.errors import ConflictError, InvalidError, NotFoundError

KINDS = {
    "sales": "Sales",
    "web": "Web shop",
    "phone": "Telephone sales",
    "partner": "Partners",
    "other": "Other",
}
NAME_LENGTH = 100


class Channel(OrganizationScoped, Base):
    """A way of selling, such as *Sales* or *Web shop*."""

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="sales")
    is_active: Mapped[bool] = mapped_column(default=True)


def channels() -> Select[Channel]:
    """Channels of the current organization: active ones first, by name."""
    return select(Channel).order_by(Channel.is_active.desc(), func.lower(Channel.name))


def channel_of(id: UUID) -> Channel:
    """A channel of the current organization; `NotFoundError` if there is none."""
    channel = db.session.scalar(select(Channel).where(Channel.id == id))
    if channel is None:
        raise NotFoundError("This channel does not exist.")
    return channel


@asked_once
def has_active_channel() -> bool:
    """Whether the current organization sells at all, and may therefore have leads made."""
    return db.session.scalar(select(Channel.id).where(Channel.is_active).limit(1)) is not None


def is_last_active(channel: Channel) -> bool:
    """Whether conversion to leads ends with this channel."""
    others = select(Channel.id).where(Channel.is_active, Channel.id != channel.id).limit(1)
    return channel.is_active and db.session.scalar(others) is None


def add_channel(name: str, kind: str = "sales", *, is_active: bool = True) -> Channel:
    """A new channel; `InvalidError` at the field that cannot be accepted."""
    channel = Channel(name=_checked_name(name), kind=_checked_kind(kind), is_active=is_active)
    db.session.add(channel)
    db.session.flush()
    return channel


def change_channel(channel: Channel, name: str, kind: str) -> None:
    """Call it something else, or make it of another type."""
    channel.name, channel.kind = _checked_name(name, channel), _checked_kind(kind)
    db.session.flush()


def activate_channel(channel: Channel, *, is_active: bool) -> None:
    """Sell through it, or no more. Leads that are there stay."""
    channel.is_active = is_active
    db.session.flush()


def delete_channel(channel: Channel) -> None:
    """Take away one that is not active; nothing refers to it."""
    if channel.is_active:
        raise ConflictError("This channel is active. Deactivate it first: that says what it changes.")
    db.session.delete(channel)
    db.session.flush()


def _checked_name(name: str, channel: Channel | None = None) -> str:
    name = texts.one_line(name, NAME_LENGTH)
    if not name:
        raise InvalidError("Type a name.", field="name")
    taken = select(Channel.id).where(func.lower(Channel.name) == name.lower())
    if channel is not None:
        taken = taken.where(Channel.id != channel.id)
    if db.session.scalar(taken) is not None:
        raise InvalidError(f"There is a channel named “{name}” already.", field="name")
    return name


def _checked_kind(kind: str) -> str:
    if kind not in KINDS:
        raise InvalidError("Choose a type.", field="kind")
    return kind
