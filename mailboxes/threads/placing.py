"""Threads of a mailbox, loaded for a batch of messages and kept after it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice, zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from mailboxes.messages import Message
from mailboxes.subjects import base_subject
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread, ThreadReference
from mailboxes.threads.beginnings import summary_of
from mailboxes.threads.joining import (
    LONGEST_COMPARED,
    SUBJECT_DAYS,
    KnownMessage,
    KnownThread,
    Newcomer,
    Threads,
)
from mailboxes.threads.merging import merge_threads
from tenants.database import db
from tenants.database.bulk import among, insert_rows

MOST_IDS = 20_000
MOST_NAMESAKES = 200  # of programs that give all their messages one Message-ID

Query = Select[*tuple[Any, ...]]


def threads_for(mailbox: Mailbox, newcomers: Sequence[Newcomer]) -> Threads:
    """Everything that these messages may join: a handful of queries, however many they are.

    The caller holds the mailbox's row, so that nobody else places messages in it meanwhile.
    """
    threads = Threads()
    named = {id for message in newcomers for id in (*message.parents, *message.reported)}
    ids = _ids_to_know(newcomers)
    for row in _messages_known(mailbox, ids):
        threads.by_message.setdefault(row.message_id, []).append(row.thread_id)
    own_ids = {message.message_id for message in newcomers}.intersection(threads.by_message)
    for row in _namesakes(mailbox, sorted(own_ids)):
        namesake = KnownMessage(row.thread_id, row.sender_address, row.sent_at, row.text)
        threads.namesakes.setdefault(row.message_id, []).append(namesake)
    for row in _mentions_of(mailbox, ids):
        threads.by_mention.setdefault(row.reference, []).append(row.thread_id)
    found = {id for ids in (*threads.by_message.values(), *threads.by_mention.values()) for id in ids}
    found |= {message.token_thread for message in newcomers if message.token_thread}
    found |= {message.left_part.thread_id for message in newcomers if message.left_part}
    for row in db.session.execute(_threads_to_know(mailbox, found, newcomers)):
        told, people = (row.id, row.subject, row.base_subject, row.last_at), set(row.participants)
        threads.add(KnownThread(*told, people, split_family=row.split_family))
    known = threads.by_message.keys() | threads.by_mention.keys()
    missing = [id for id in ids if id in named and id not in known]
    for row in _messages_elsewhere(mailbox, missing):
        threads.elsewhere.setdefault(row.message_id, row.thread_id)
    return threads


def keep_new_threads(
    mailbox: Mailbox, threads: Threads, messages: Sequence[Mapping[str, Any]], at: datetime
) -> set[UUID]:
    """Store the threads that begin with these messages (rows of the table), before them; their ids."""
    by_thread: dict[UUID, list[Mapping[str, Any]]] = {}
    for message in messages:
        by_thread.setdefault(message["thread_id"], []).append(message)
    own_addresses = {mailbox.address, *mailbox.aliases}
    rows = [
        {
            "id": thread.id,
            "mailbox_id": mailbox.id,
            "base_subject": thread.base_subject,
            "linked_thread_id": thread.linked_thread_id,
            "split_family": thread.split_family,
            "created_at": at,
            **summary_of(by_thread[thread.id], own_addresses),
        }
        for thread in threads.known.values()
        if thread.is_new
    ]
    insert_rows(Thread, rows)
    return {row["id"] for row in rows}


def keep_references(mailbox: Mailbox, mentioned: Iterable[tuple[UUID, str]]) -> None:
    """Store which thread mentions which Message-ID."""
    rows = [
        {"mailbox_id": mailbox.id, "thread_id": thread_id, "reference": reference}
        for thread_id, reference in dict.fromkeys(mentioned)
    ]
    insert_rows(ThreadReference, rows, ignoring_conflicts=True)


def merge_what_belongs_together(threads: Threads) -> None:
    """Carry out the merges of stored threads that this batch has shown."""
    unsaved = threads.merged.keys() - _stored(threads.merged.keys())
    for loser in threads.merged.keys() - unsaved:
        merge_threads(threads.current(loser), loser)


def _stored(ids: Collection[UUID]) -> set[UUID]:
    return set(db.session.scalars(select(Thread.id).where(Thread.id.in_(ids)))) if ids else set()


def _ids_to_know(newcomers: Sequence[Newcomer]) -> list[str]:
    """Own ids, then what each message answers or reports, the nearest first, at most `MOST_IDS`.

    So a message with very many references leaves out the farthest of them, and none of another message's.
    """
    named = zip_longest(*((*message.parents, *message.reported) for message in newcomers))
    ids = dict.fromkeys(message.message_id for message in newcomers)
    ids |= dict.fromkeys(id for rank in named for id in rank)
    return list(islice(filter(None, ids), MOST_IDS))


def _messages_known(mailbox: Mailbox, ids: Sequence[str]) -> Sequence[Any]:
    return _rows(
        select(Message.message_id, Message.thread_id)
        .where(Message.mailbox_id == mailbox.id, among(Message.message_id, ids))
        .order_by(Message.id),
        ids,
    )


def _namesakes(mailbox: Mailbox, ids: Sequence[str]) -> Sequence[Any]:
    """The latest messages with the Message-ID of one that comes in, on which automation acts."""
    is_acted_upon = or_(Message.may_convert, Message.may_respond & ~Message.is_automatic)
    text = func.left(Message.text, LONGEST_COMPARED).label("text")
    return _rows(
        select(Message.message_id, Message.thread_id, Message.sender_address, Message.sent_at, text)
        .where(Message.mailbox_id == mailbox.id, among(Message.message_id, ids), is_acted_upon)
        .order_by(Message.id.desc())
        .limit(MOST_NAMESAKES),
        ids,
    )


def _mentions_of(mailbox: Mailbox, ids: Sequence[str]) -> Sequence[Any]:
    return _rows(
        select(ThreadReference.reference, ThreadReference.thread_id)
        .where(ThreadReference.mailbox_id == mailbox.id, among(ThreadReference.reference, ids))
        .order_by(ThreadReference.thread_id),
        ids,
    )


def _messages_elsewhere(mailbox: Mailbox, ids: Sequence[str]) -> Sequence[Any]:
    others = select(Mailbox.id).where(Mailbox.id != mailbox.id)
    return _rows(
        select(Message.message_id, Message.thread_id)
        .where(Message.mailbox_id.in_(others), among(Message.message_id, ids))
        .order_by(Message.id),
        ids,
    )


def _threads_to_know(mailbox: Mailbox, found: set[UUID], newcomers: Sequence[Newcomer]) -> Query:
    bases = {
        base
        for message in newcomers
        for base, is_reply in [base_subject(message.subject)]
        if base and is_reply and message.may_join_by_subject and message.is_incoming
    }
    wanted: ColumnElement[bool] = among(Thread.id, found)
    if bases:
        since = min(message.shown_at for message in newcomers) - SUBJECT_DAYS
        wanted = or_(wanted, among(Thread.base_subject, bases) & (Thread.last_at >= since))
    return (
        select(
            Thread.id,
            Thread.subject,
            Thread.base_subject,
            Thread.last_at,
            Thread.participants,
            Thread.split_family,
        )
        .where(Thread.mailbox_id == mailbox.id, wanted)
        .order_by(Thread.id)
    )


def _rows(query: Query, ids: Sequence[str]) -> Sequence[Any]:
    return db.session.execute(query).all() if ids else []
