"""Conversations are tagged; what is done to the vocabulary is done in cases and saved views, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, text, true, update

from mailboxes.crm.cases import Case
from mailboxes.inbox.conversation import answerable, remember
from mailboxes.inbox.saved_views import follow_tag
from mailboxes.system_mailboxes import Mailbox, hold_mailboxes
from mailboxes.threads import Thread
from mailboxes.threads.tags import (
    GONE,
    MOST_OF_ONE,
    Tag,
    ThreadTag,
    change_tag,
    clean_name,
    define_tag,
    tag_named,
    tags_of,
)
from tenants.database import current_organization_id, db
from tenants.database.bulk import insert_rows
from tenants.errors import InvalidError, NotFoundError
from tenants.organizations import Membership

MOST_COUNTED = 1000

# Words of cases keep their order, each once; without ``new`` the word goes.
_CASES = text(
    """
    UPDATE cases SET tags = ARRAY(
      SELECT word FROM (
        SELECT DISTINCT ON (lower(word)) word, place FROM (
          SELECT place,
            CASE WHEN lower(former) = lower(:former) THEN CAST(:new AS text) ELSE former END AS word
          FROM unnest(tags) WITH ORDINALITY AS theirs(former, place)) AS replaced
        WHERE word IS NOT NULL ORDER BY lower(word), place) AS once
      ORDER BY place)
    WHERE organization_id = :organization_id
      AND EXISTS (SELECT 1 FROM unnest(tags) AS theirs(word) WHERE lower(word) = lower(:former))
    """
)


@dataclass(frozen=True)
class Uses:
    """How many conversations and cases bear a tag."""

    conversations: int
    cases: int


def tag(member: Membership, thread_ids: Sequence[UUID], name: str, *, may_define: bool) -> list[Thread]:
    """Give conversations a tag; those that had it not. A new word is defined by who may, else refused.

    `ForbiddenError` where the member may not reply to one of them.
    """
    threads = _held(member, thread_ids)
    chosen = _chosen(name, may_define=may_define)
    borne = tags_of([thread.id for thread in threads])
    changed = [thread for thread in threads if chosen not in borne.get(thread.id, ())]
    if any(len(borne.get(thread.id, ())) >= MOST_OF_ONE for thread in changed):
        raise InvalidError(f"A conversation has {MOST_OF_ONE} tags at most.", field="tag")
    rows = [{"thread_id": thread.id, "tag_id": chosen.id} for thread in changed]
    insert_rows(ThreadTag, rows, ignoring_conflicts=True)
    for thread in changed:
        remember(thread, "tagged", f"{member.name} tagged the conversation “{chosen.name}”.")
    return changed


def untag(member: Membership, thread_ids: Sequence[UUID], name: str) -> list[Thread]:
    """Take a tag from conversations; those that had it."""
    threads = {thread.id: thread for thread in _held(member, thread_ids)}
    chosen = tag_named(clean_name(name))
    if chosen is None:
        raise InvalidError(f"There is no tag “{clean_name(name)}”.", field="tag")
    of_these = (ThreadTag.tag_id == chosen.id) & ThreadTag.thread_id.in_(list(threads))
    gone = db.session.scalars(delete(ThreadTag).where(of_these).returning(ThreadTag.thread_id)).all()
    for id in gone:
        remember(threads[id], "untagged", f"{member.name} took the tag “{chosen.name}” away.")
    return [threads[id] for id in gone]


def counts_by_tag() -> dict[UUID, int]:
    """How many conversations bear each tag, counted up to `MOST_COUNTED`."""
    some = (
        select(ThreadTag.id)
        .where(ThreadTag.organization_id == Tag.organization_id, ThreadTag.tag_id == Tag.id)
        .limit(MOST_COUNTED)
        .lateral()
    )
    query = select(Tag.id, func.count(some.c.id)).select_from(Tag).outerjoin(some, true()).group_by(Tag.id)
    return {row[0]: row[1] for row in db.session.execute(query)}


def uses_of(tag: Tag) -> Uses:
    """What changes with a tag."""
    conversations = select(func.count()).select_from(ThreadTag).where(ThreadTag.tag_id == tag.id)
    words = func.unnest(Case.tags).table_valued("word").render_derived()
    bears = select(words.c.word).where(func.lower(words.c.word) == func.lower(tag.name)).exists()
    cases = select(func.count()).select_from(Case).where(bears)
    return Uses(db.session.scalar(conversations) or 0, db.session.scalar(cases) or 0)


def rename_tag(tag: Tag, name: str, colour: str) -> None:
    """Call it something else, in cases and saved views too, or give it another colour."""
    former = tag.name
    change_tag(tag, name, colour)
    if tag.name != former:
        _replace_in_cases(former, tag.name)
        follow_tag(former, tag.name)


def merge_tags(tag: Tag, into: Tag) -> Uses:
    """Whatever bears the one bears the other instead; what that was."""
    uses = uses_of(tag)
    borne = select(ThreadTag.thread_id).where(ThreadTag.tag_id == into.id)
    moved = (ThreadTag.tag_id == tag.id) & ThreadTag.thread_id.not_in(borne)
    db.session.execute(
        update(ThreadTag).where(moved).values(tag_id=into.id).execution_options(synchronize_session=False)
    )
    _replace_in_cases(tag.name, into.name)
    follow_tag(tag.name, into.name)
    db.session.delete(tag)
    db.session.flush()
    return uses


def delete_tag(tag: Tag) -> Uses:
    """Take a word out of the vocabulary, and from whatever bears it; what that was."""
    uses = uses_of(tag)
    _replace_in_cases(tag.name, None)
    db.session.delete(tag)
    db.session.flush()
    return uses


def _replace_in_cases(former: str, new: str | None) -> None:
    named = {"former": former, "new": new, "organization_id": current_organization_id()}
    db.session.execute(_CASES, named)


def _held(member: Membership, thread_ids: Sequence[UUID]) -> list[Thread]:
    """Those that the member may answer, which nobody splits or joins meanwhile."""
    these = Thread.id.in_(thread_ids) & Thread.mailbox_id.in_(answerable(member, thread_ids))
    hold_mailboxes(Mailbox.id.in_(select(Thread.mailbox_id).where(these)))
    return list(db.session.scalars(select(Thread).where(these)))


def _chosen(name: str, *, may_define: bool) -> Tag:
    clean = clean_name(name)
    if not clean:
        raise InvalidError("Type a tag.", field="tag")
    known = tag_named(clean)
    if known is None and not may_define:
        raise InvalidError(
            f"There is no tag “{clean}”. Choose one of those that are offered; your role defines none.",
            field="tag",
        )
    if known is None:
        return define_tag(clean, field="tag")
    held = select(Tag).where(Tag.id == known.id).with_for_update(read=True, key_share=True)
    if db.session.scalar(held) is None:
        raise NotFoundError(GONE)
    return known
