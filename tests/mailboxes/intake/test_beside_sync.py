"""Delivery beside passes that follow the server: no circle of those who wait, nothing missed."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

import mailboxes.intake as intake
from mailboxes import given_up, setup, timeline
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.inbox.conversation import change_status, note
from mailboxes.inbox.read_state import mark_unread
from mailboxes.inbox.split_and_join import held_joining, join
from mailboxes.intake import batches, deliver, routed
from mailboxes.messages import Location, Message
from mailboxes.routing.leaving import leave
from mailboxes.setup import deleting
from mailboxes.sync import mirroring
from mailboxes.sync.following import follow_flags, follow_removals
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor
from tenants.database import db, inside_installation, now
from tenants.database import inside as bound_to
from tests.factories import World, make_mailbox
from tests.mailboxes.arriving import account_of, arrive, folder_of, letter, messages_of
from tests.mailboxes.global_mail import arrive_globally, deliver_globally, make_global_account, serve


@pytest.fixture
def mailbox(ours: World) -> Mailbox:
    return make_mailbox(ours, action="nothing")


def while_it_is_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    read = batches.read_message

    def acting(*given: Any, **named: Any) -> Any:
        act()
        return read(*given, **named)

    monkeypatch.setattr(batches, "read_message", acting)


def on_the_server(world: World, **values: Any) -> Callable[[], None]:
    """What a pass writes of it, in a transaction of its own."""

    def write() -> None:
        with bound_to(world.id) as session:
            session.execute(update(Arrival).values(**values).execution_options(synchronize_session=False))
            session.commit()

    return write


def test_flags_that_change_while_a_message_is_read_are_those_it_has(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_it_is_read(monkeypatch, on_the_server(ours, flags=["\\Answered"]))
    with inside(ours):
        ids = arrive(mailbox, letter())
        deliver(mailbox.account_id)
        (message,) = messages_of(ids)
        assert message.is_answered_on_server
        assert db.session.scalars(select(Location.flags)).one() == ["\\Answered"]


def test_a_message_that_is_removed_while_it_is_read_is_known_as_removed(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now()
    while_it_is_read(monkeypatch, on_the_server(ours, vanished_at=moment))
    with inside(ours):
        ids = arrive(mailbox, letter())
        deliver(mailbox.account_id)
        (message,) = messages_of(ids)
        assert message.removed_on_server_at == moment
        assert db.session.scalars(select(Location.vanished_at)).one() == moment
        assert "The server has it no more." in timeline.events_of(message)[0].reason


def test_a_message_that_lies_in_a_further_place_is_not_removed(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    with inside(ours):
        ids = arrive(mailbox, raw := letter(), vanished_at=now())
        ids += arrive(mailbox, raw)
        deliver(mailbox.account_id)
        (message,) = set(messages_of(ids))
        assert message.removed_on_server_at is None


def test_arrivals_are_held_before_any_message_is(
    app: Flask,
    ours: World,
    mailbox: Mailbox,
    inside: Any,
    database_urls: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As whoever follows the server holds them: each would else hold what the other one waits for."""
    with inside(ours):
        (first,) = arrive(mailbox, raw := letter(), folder="trash")
        deliver(mailbox.account_id)
        (again,) = arrive(mailbox, raw)  # the message is in the inbox now
        message_id = messages_of([first])[0].id

    def deliver_again() -> None:
        with app.app_context(), inside(ours):
            deliver(mailbox.account_id)

    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as follower,
        ThreadPoolExecutor(1) as job,
    ):
        hold = "SELECT 1 FROM arrivals WHERE id = %s FOR NO KEY UPDATE"
        while_it_is_read(monkeypatch, lambda: follower.execute(hold, [again]))
        delivered = job.submit(deliver_again)
        while not follower.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not delivered.done(), delivered.result()
        follower.execute("SELECT 1 FROM messages WHERE id = %s FOR NO KEY UPDATE NOWAIT", [message_id])
        follower.commit()
        delivered.result()
    with inside(ours):
        assert list(db.session.scalars(select(Location.message_id))) == [message_id, message_id]


def follow(mailbox: Mailbox, uids: list[int], what: str) -> None:
    account, folder = account_of(mailbox), folder_of(mailbox)
    if what == "flags":
        follow_flags(account, folder, account.lease_fence, 1, {uid: ["\\Seen"] for uid in uids})
    else:
        follow_removals(account, folder, account.lease_fence, 1, uids, now())


@pytest.mark.parametrize("what", ["flags", "removals"])
def test_whoever_changes_several_arrivals_holds_them_in_one_order(
    app: Flask, ours: World, mailbox: Mailbox, inside: Any, database_urls: Any, what: str
) -> None:
    with inside(ours):
        first, second = arrive(mailbox, letter(body="one"), letter(body="two"))
        db.session.execute(update(Arrival).where(Arrival.id == first).values(uid=1_000_000))
        db.session.commit()  # behind the other one, in the order of their places
        uids = list(db.session.scalars(select(Arrival.uid)))

    def change() -> None:
        with app.app_context(), inside(ours):
            follow(mailbox, uids, what)

    hold = "SELECT 1 FROM arrivals WHERE id = %s FOR NO KEY UPDATE"
    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as other,
        ThreadPoolExecutor(1) as job,
    ):
        other.execute(hold, [first])
        changed = job.submit(change)
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not changed.done(), changed.result()
        other.execute(f"{hold} NOWAIT", [second])
        other.commit()
        changed.result()


def test_whoever_deletes_a_mailbox_holds_it_first_and_its_account_for_a_moment_only(
    app: Flask,
    ours: World,
    mailbox: Mailbox,
    inside: Any,
    database_urls: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with inside(ours):
        ids = arrive(mailbox, *(letter(body=str(number)) for number in range(3)))
        deliver(mailbox.account_id)
        message = messages_of(ids)[0]
        here = db.session.get_one(Mailbox, (ours.id, mailbox.id))
        setup.begin_deleting(here, here.label, by=Actor("Ada Admin"))
        db.session.commit()

    def delete() -> None:
        with app.app_context(), inside(ours):
            assert deleting.go_on_deleting(mailbox.id)

    monkeypatch.setattr(deleting, "AT_ONCE", 1)
    account = "SELECT count(*) FROM accounts WHERE id = %s"
    on_record = "SELECT count(*) FROM audit_entries WHERE act = 'mailbox.deleted'"
    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as other,
        ThreadPoolExecutor(1) as job,
    ):
        held = "SELECT 1 FROM mailboxes WHERE id = %s FOR NO KEY UPDATE"
        other.execute(held, [mailbox.id])
        deleted = job.submit(delete)
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not deleted.done(), deleted.result()
        other.execute("SELECT 1 FROM messages WHERE id = %s FOR UPDATE NOWAIT", [message.id])
        other.execute("SELECT 1 FROM arrivals WHERE id = %s FOR UPDATE NOWAIT", [ids[0]])
        forget, free = deleting.forget_raws, []

        def forgetting(raw_ids: Any) -> Any:
            free.append(
                other.execute(
                    "SELECT id FROM accounts WHERE id = %s FOR UPDATE SKIP LOCKED", [mailbox.account_id]
                ).rowcount
            )
            assert other.execute(on_record).fetchone() == (0,)  # whoever dies now has deleted no mailbox
            other.commit()
            return forget(raw_ids)

        monkeypatch.setattr(deleting, "forget_raws", forgetting)
        other.commit()
        deleted.result()
        assert other.execute(account, [mailbox.account_id]).fetchone() == (0,)
        assert other.execute(on_record).fetchone() == (1,)
    assert free == [1] * 6


def forget_what_is_told(world: World, ids: list[UUID]) -> None:
    message = db.session.get_one(Message, (world.id, ids[0]))
    mailbox = db.session.get_one(Mailbox, (world.id, message.mailbox_id))
    mirroring._forget_what_is_told(account_of(mailbox), Message.is_read_by_all.is_(True))


@pytest.mark.parametrize(
    "change",
    [
        lambda world, ids: given_up.dismiss(ids),
        lambda world, ids: mark_unread(world.admin, select(Message).where(Message.id.in_(ids))),
        lambda world, ids: change_status(world.admin, thread_ids_of(ids), "done"),
        lambda world, ids: note(world.admin, thread_ids_of(ids)[0], "They rang."),
        lambda world, ids: join(world.admin, held_joining(world.admin, *thread_ids_of(ids)[:2])),
        lambda world, ids: leave(db.session.get_one(Message, (world.id, ids[0])), by=Actor("Ada Admin")),
        forget_what_is_told,
    ],
    ids=["given up", "unread", "status", "noted", "joined", "moved away", "reads told"],
)
def test_whoever_changes_several_messages_holds_their_mailbox_first(
    app: Flask, ours: World, mailbox: Mailbox, inside: Any, database_urls: Any, change: Callable[..., Any]
) -> None:
    """As delivery and whoever follows the server do: each would else hold what the other one waits for."""
    with inside(ours):
        ids = [one.id for one in messages_of(deliver_two(mailbox))]
        was_tried = {"work": "none", "work_error": "Tried."}
        db.session.execute(update(Message).values(unread_at=now(), is_read_by_all=True, **was_tried))
        db.session.commit()

    def change_them() -> None:
        with app.app_context(), inside(ours):
            change(ours, ids)
            db.session.commit()

    def seen() -> list[Any]:
        return other.execute(
            "SELECT xmin::text FROM messages UNION ALL SELECT xmin::text FROM threads"
            " UNION ALL SELECT xmin::text FROM notes"
        ).fetchall()

    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as other,
        ThreadPoolExecutor(1) as job,
    ):
        other.execute("SELECT 1 FROM mailboxes WHERE id = %s FOR NO KEY UPDATE", [mailbox.id])
        before = seen()
        changed = job.submit(change_them)
        while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not changed.done(), changed.result()
        other.execute("SELECT 1 FROM messages WHERE id = ANY (%s) FOR NO KEY UPDATE NOWAIT", [ids])
        other.execute("SELECT 1 FROM threads FOR NO KEY UPDATE NOWAIT")
        other.commit()
        changed.result()
        assert seen() != before  # it did change something


def deliver_two(mailbox: Mailbox) -> list[UUID]:
    ids = arrive(mailbox, letter(body="one"), letter(body="two"))
    deliver(mailbox.account_id)
    return ids


def thread_ids_of(message_ids: list[UUID]) -> list[UUID]:
    return list(db.session.scalars(select(Message.thread_id).where(Message.id.in_(message_ids))))


def in_a_circle(store: Callable[..., Any]) -> Callable[..., Any]:
    """Storing that the database sends back, until the last try."""
    tries = []

    def stored(*given: Any) -> Any:
        tries.append(given)
        if len(tries) < batches.CIRCLES:
            with suppress(DBAPIError):
                db.session.execute(text("SELECT 1 / 0"))  # nothing works any more in this transaction
            raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())
        return store(*given)

    return stored


def test_a_batch_of_a_global_account_that_waited_in_a_circle_is_stored_again(
    ours: World, theirs: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = make_global_account("copied")
    for world in (ours, theirs):
        serve(world, account_id)
    monkeypatch.setattr(routed, "store", in_a_circle(routed.store))
    arrive_globally(account_id, letter(body="one"), letter(body="two"))
    delivered = deliver_globally(account_id)
    assert [(batch.new_count, batch.quarantined_count) for batch in delivered] == [(2, 0), (2, 0)]
    with inside_installation("a test"):
        rows = db.session.execute(select(Arrival.state, Arrival.attempts)).all()
    assert rows == [("delivered", 1), ("delivered", 1)]


def test_a_batch_that_waited_in_a_circle_is_stored_again_and_no_message_is_suspect(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "store", in_a_circle(intake.store))
    with inside(ours):
        ids = arrive(mailbox, letter(body="one"), letter(body="two"))
        assert [batch.new_count for batch in deliver(mailbox.account_id)] == [2]
        assert {row.attempts for row in db.session.scalars(select(Arrival))} == {1}
        assert len(messages_of(ids)) == 2


def test_suspects_are_read_apart_and_stored_together_until_somebody_dies_over_them(
    ours: World, mailbox: Mailbox, inside: Any
) -> None:
    with inside(ours):
        arrive(mailbox, *(letter(body=str(number)) for number in range(3)), attempts=1)
        assert [batch.new_count for batch in deliver(mailbox.account_id)] == [3]
        arrive(mailbox, *(letter(body=f"more {number}") for number in range(2)), attempts=2)
        assert [batch.new_count for batch in deliver(mailbox.account_id)] == [1, 1]


def test_a_poison_message_among_suspects_is_set_aside_alone(
    ours: World, mailbox: Mailbox, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Apart(batches.ReaderApart):
        def read(self, raw: bytes, *given: Any, **named: Any) -> Any:
            if b"poison" in raw:
                raise batches.PoisonError("it died")
            reading = batches.read_message(raw, *given, **named)
            return dataclasses.replace(reading, language="en")

    monkeypatch.setattr(intake, "ReaderApart", Apart)
    with inside(ours):
        arrive(mailbox, letter(body="one"), letter(body="poison"), letter(body="two"), attempts=1)
        (batch,) = deliver(mailbox.account_id)
        assert (batch.new_count, batch.quarantined_count) == (2, 1)
        assert {message.language for message in db.session.scalars(select(Message))} == {"en"}


def test_whoever_follows_the_server_waits_for_a_delivery_to_the_mailbox(
    app: Flask, ours: World, mailbox: Mailbox, inside: Any, database_urls: Any
) -> None:
    """Both change many messages, each in its own order."""
    with inside(ours):
        (arrival_id,) = arrive(mailbox, letter())
        deliver(mailbox.account_id)
        arrival = db.session.get_one(Arrival, arrival_id)
        place = arrival.folder_id, arrival.uid_validity, arrival.uid

    def follow() -> int:
        with app.app_context(), inside(ours):
            account = db.session.get_one(Account, mailbox.account_id)
            folder = db.session.get_one(Folder, place[0])
            fence = account.lease_fence
            return follow_removals(account, folder, fence, place[1], [place[2]], now())

    with (
        psycopg.connect(database_urls.system.replace("+psycopg", "")) as delivery,
        ThreadPoolExecutor(1) as job,
    ):
        delivery.execute("SELECT 1 FROM mailboxes WHERE id = %s FOR NO KEY UPDATE", [mailbox.id])
        followed = job.submit(follow)
        while not delivery.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert not followed.done(), followed.result()
        delivery.execute("SELECT 1 FROM arrivals WHERE id = %s FOR NO KEY UPDATE NOWAIT", [arrival_id])
        delivery.commit()
        assert followed.result() == 1
