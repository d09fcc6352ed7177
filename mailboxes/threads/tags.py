"""Tags: words of an organization's own vocabulary that conversations bear."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, ScalarSelect, Select, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm import texts
from tenants.database import (
    Base,
    OrganizationScoped,
    PartScoped,
    current_organization_id,
    db,
    is_one_of,
    scoped_key,
)
from tenants.errors import InvalidError, NotFoundError

GONE = "This tag is not here any more."
GREY = "grey"
COLOURS = {
    GREY: "Grey",
    "red": "Red",
    "orange": "Orange",
    "yellow": "Yellow",
    "green": "Green",
    "teal": "Teal",
    "blue": "Blue",
    "purple": "Purple",
    "pink": "Pink",
}
NAME_LENGTH = texts.TAG_LENGTH
TOO_LONG = f"A tag has {NAME_LENGTH} characters at most."
MOST_TAGS = 500  # of an organization
_TO_SPACES = str.maketrans(',"', "  ")
MOST_OF_ONE = texts.TAG_COUNT  # of a conversation


class Tag(OrganizationScoped, Base):
    """A word, with the colour that helps to find it. Its case does not tell it from another one."""

    __tablename__ = "tags"
    __table_args__ = (
        Index("uq_tags_name", "organization_id", text("lower(name)"), unique=True),
        CheckConstraint(f"colour IN ({', '.join(map(repr, COLOURS))})", name="colour"),
    )

    name: Mapped[str]
    colour: Mapped[str] = mapped_column(default=GREY)


class ThreadTag(PartScoped, Base):
    """A conversation bears a tag."""

    __tablename__ = "thread_tags"
    __table_args__ = (
        UniqueConstraint("organization_id", "thread_id", "tag_id"),
        scoped_key("thread_id", "threads", ondelete="CASCADE"),
        scoped_key("tag_id", "tags", ondelete="CASCADE"),
        Index("ix_thread_tags_tag_id", "organization_id", "tag_id", "thread_id"),
    )

    thread_id: Mapped[UUID]
    tag_id: Mapped[UUID]


def tags() -> Select[Tag]:
    """The vocabulary of the current organization, by name."""
    return select(Tag).order_by(func.lower(Tag.name))


def vocabulary() -> list[str]:
    """The names of all tags, in their order."""
    return list(db.session.scalars(tags().with_only_columns(Tag.name)))


def tag_of(id: UUID) -> Tag:
    """A tag of the current organization; `NotFoundError` if there is none."""
    tag = db.session.scalar(select(Tag).where(Tag.id == id))
    if tag is None:
        raise NotFoundError(GONE)
    return tag


def tag_named(name: str) -> Tag | None:
    """The tag of this name, whatever its case."""
    return db.session.scalar(select(Tag).where(func.lower(Tag.name) == func.lower(name)))


def tags_of(thread_ids: Collection[UUID]) -> dict[UUID, list[Tag]]:
    """The tags of some conversations, by name."""
    found: dict[UUID, list[Tag]] = {}
    query = select(ThreadTag.thread_id, Tag).join(
        Tag, (Tag.organization_id == ThreadTag.organization_id) & (Tag.id == ThreadTag.tag_id)
    )
    in_order = query.where(is_one_of(ThreadTag.thread_id, thread_ids)).order_by(func.lower(Tag.name))
    for thread_id, tag in db.session.execute(in_order):
        found.setdefault(thread_id, []).append(tag)
    return found


def ids_of_tag(name: str) -> Select[UUID]:
    """The id of the tag of this name, however it is typed."""
    return select(Tag.id).where(func.lower(Tag.name) == func.lower(clean_name(name)))


def id_of_tag(name: str) -> UUID | None:
    """The same, looked up."""
    return db.session.scalar(ids_of_tag(name))


def threads_with(tag_id: UUID | ScalarSelect[UUID]) -> Select[UUID]:
    """Ids of the conversations that bear a tag."""
    is_here = ThreadTag.organization_id == current_organization_id()
    return select(ThreadTag.thread_id).where(is_here, ThreadTag.tag_id == tag_id)


def define_tag(name: str, colour: str = GREY, *, field: str = "name") -> Tag:
    """A new word; `InvalidError` at the field that cannot be accepted."""
    if (db.session.scalar(select(func.count()).select_from(Tag)) or 0) >= MOST_TAGS:
        raise InvalidError(f"There are {MOST_TAGS} tags already. Merge or delete some first.", field=field)
    tag = Tag(name=_checked_name(name, field), colour=_checked_colour(colour))
    db.session.add(tag)
    db.session.flush()
    return tag


def change_tag(tag: Tag, name: str, colour: str) -> None:
    """Call it something else, or give it another colour."""
    tag.name, tag.colour = _checked_name(name, "name", tag), _checked_colour(colour)
    db.session.flush()


def clean_name(name: str) -> str:
    """A name as tags have them: a line without ``#``, commas and quotation marks; or ""."""
    return texts.tag_word(name.translate(_TO_SPACES))


def _checked_name(name: str, field: str, tag: Tag | None = None) -> str:
    clean = clean_name(name)
    if not clean:
        raise InvalidError("Type a name.", field=field)
    if len(clean) > NAME_LENGTH:
        raise InvalidError(TOO_LONG, field=field)
    other = tag_named(clean)
    if other is not None and other is not tag:
        raise InvalidError(f"There is a tag “{other.name}” already.", field=field)
    return clean


def _checked_colour(colour: str) -> str:
    if colour not in COLOURS:
        raise InvalidError("Choose a colour.", field="colour")
    return colour
