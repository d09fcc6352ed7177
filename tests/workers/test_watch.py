"""The watcher hears of new mail at once, and rings only when something has changed."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

import workers.watch
from mailboxes.accounts import Account
from mailboxes.egress import EgressPolicy
from mailboxes.errors import ConnectionLostError, TurnedAwayError
from mailboxes.imap import ImapConnection, ImapSettings
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, uuid7
from tests.dovecot import Dovecot
from tests.factories import World, make_mailbox
from tests.faults.behaviours import drop, refuse, reply
from tests.faults.imap_server import ScriptedImap
from tests.mailboxes.arriving import letter
from tests.mailboxes.served import Served
from workers import queues
from workers.watch import Watch, is_ours
from workers.watched import Post, Watched, ask


@pytest.fixture
def watch(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr("workers.watch.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("workers.watch.BEGUN_SECONDS", math.inf)
    watch = Watch(threads=2)
    yield watch
    watch.close()


def turn_until(watch: Watch, is_true: Callable[[], object]) -> None:
    """Let the watcher go on until something holds; fail the test if it never does."""
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline, "the watcher did not get there"
        watch.turn(0.05)


def is_idling(watch: Watch) -> bool:
    return bool(watch.watched) and all(
        watched.told_at and not watched.is_busy for watched in watch.watched.values()
    )


def rung() -> list[str]:
    return [job.args[0] for job in queues.queue(queues.SYNC).jobs]


def finished(served: Served) -> None:
    """As if the pass that was rung for were over."""
    with served.inside(served.world):
        db.session.execute(update(Account).values(lease_expires_at=Account.created_at))
        db.session.commit()
    queues.redis().flushall()


@pytest.mark.dovecot
def test_new_mail_rings_and_silence_does_not(
    app: Any, dovecot: Dovecot, ours: World, inside: Any, watch: Watch
) -> None:
    served = Served(app, dovecot, ours, inside)
    turn_until(watch, lambda: is_idling(watch) and rung())  # news may have come before it looked
    finished(served)
    for _ in range(5):
        watch.turn(0.02)
    assert rung() == []
    served.append(letter())
    turn_until(watch, rung)
    assert rung() == [str(served.mailbox.account_id)]


@pytest.mark.dovecot
def test_other_folders_are_asked(app: Any, dovecot: Dovecot, ours: World, inside: Any, watch: Watch) -> None:
    served = Served(app, dovecot, ours, inside)
    served.append(letter(), folder="Projects")
    served.sync()
    served.choose("Projects")
    turn_until(watch, lambda: is_idling(watch) and rung())
    finished(served)
    served.append(letter("Another"), folder="Projects")
    for watched in watch.watched.values():
        watched.due_at = 0.0
    turn_until(watch, rung)


@pytest.mark.dovecot
def test_new_changed_and_paused_accounts_are_noticed(
    app: Any, dovecot: Dovecot, ours: World, inside: Any, watch: Watch
) -> None:
    watch.turn(0.01)
    assert not watch.watched
    served = Served(app, dovecot, ours, inside)
    turn_until(watch, lambda: is_idling(watch))
    before = next(iter(watch.watched.values()))
    with inside(ours):
        db.session.execute(update(Account).values(imap_user=dovecot.new_user()))
        db.session.commit()
    turn_until(watch, lambda: is_idling(watch) and next(iter(watch.watched.values())) is not before)
    with inside(ours):
        db.session.execute(update(Mailbox).values(is_enabled=False))
        db.session.commit()
    turn_until(watch, lambda: not watch.watched)
    assert served


@pytest.mark.dovecot
def test_a_dead_connection_is_made_anew(
    app: Any, dovecot: Dovecot, ours: World, inside: Any, watch: Watch
) -> None:
    served = Served(app, dovecot, ours, inside)
    turn_until(watch, lambda: is_idling(watch) and rung())
    finished(served)
    dovecot.doveadm("kick", served.user)
    turn_until(watch, rung)  # whatever has happened meanwhile
    turn_until(watch, lambda: is_idling(watch))
    finished(served)
    served.append(letter())
    turn_until(watch, rung)


def test_a_server_that_is_away_is_left_alone_for_longer_and_longer(
    app: Any, ours: World, inside: Any, watch: Watch
) -> None:
    make_mailbox(ours, account={"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9})
    turn_until(watch, lambda: any(watched.failures for watched in watch.watched.values()))
    (watched,) = watch.watched.values()
    assert watched.due_at > time.monotonic() + 10


def test_an_account_that_nobody_looks_at_keeps_its_place_in_the_schedule(
    ours: World, watch: Watch, monkeypatch: Any
) -> None:
    put_off: list[Any] = []
    monkeypatch.setattr("workers.watch.put_off", lambda ids, _: put_off.extend(ids))
    watch._pool.submit = lambda *_: None
    for _ in range(2):
        make_mailbox(ours, account={"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9})
    watch.turn(0)
    looked_at, waiting = watch.watched.values()
    looked_at.told_at = waiting.told_at = time.monotonic()
    looked_at.due_at, waiting.due_at = time.monotonic() + 60, time.monotonic() - 600
    watch._put_off_at = 0.0
    watch.turn(0)
    assert put_off == [looked_at.post.account_id]


def asked_of(imap_server: ScriptedImap, loopback: EgressPolicy, *folders: bytes) -> Watched:
    settings = ImapSettings(
        host="localhost",
        port=imap_server.port,
        encryption="none",
        user=imap_server.user,
        password=imap_server.password,
    )
    for folder in folders:
        imap_server.folder(folder.decode())
    post = Post(uuid7(), None, folders, "1")
    return Watched(post, settings, loopback, ImapConnection(settings, loopback), 60.0)


def test_a_folder_whose_status_is_refused_keeps_no_other_from_being_watched(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    watched = asked_of(imap_server, loopback, b"INBOX", b"Closed", b"Projects")
    imap_server.on("STATUS", lambda s, c: b"Closed" in c.arguments and refuse("NO not yours")(s, c))
    assert ask(watched)
    imap_server.folder("Projects").add(b"Subject: x\r\n\r\n")
    assert ask(watched)
    assert not ask(watched)
    watched.imap.close()


def test_a_folder_in_use_costs_one_connection_and_keeps_no_other_from_being_watched(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    watched = asked_of(imap_server, loopback, b"INBOX", b"Busy", b"Projects")
    imap_server.on("STATUS", lambda s, c: b"Busy" in c.arguments and refuse("NO [INUSE] busy")(s, c))
    assert ask(watched)
    assert not ask(watched)
    imap_server.folder("Projects").add(b"Subject: x\r\n\r\n")
    assert ask(watched)
    assert not ask(watched)
    assert imap_server.verbs().count("LOGIN") == 2
    watched.imap.close()


def test_however_many_folders_are_in_use_the_inbox_is_watched(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    busy = [b"Busy %d" % number for number in range(6)]
    watched = asked_of(imap_server, loopback, b"INBOX", *busy, b"Projects")
    imap_server.on("STATUS", lambda s, c: b"Busy" in c.arguments and reply(b"* BYE in use\r\n")(s, c))
    for sign_ins in (3, 5, 7, 7):
        ask(watched)
        assert imap_server.verbs()[-1] == "IDLE"
        assert imap_server.verbs().count("LOGIN") == sign_ins
        examined = [one.arguments for one in imap_server.commands if one.verb == "EXAMINE"]
        assert len(examined) == (sign_ins - 1) // 2
        assert all(b"INBOX" in arguments for arguments in examined)
    imap_server.push(b"* 1 EXISTS\r\n")
    assert ask(watched)  # the inbox tells
    imap_server.folder("Projects").add(b"Subject: x\r\n\r\n")
    assert ask(watched)  # and another one is asked
    assert not ask(watched)
    watched.imap.close()


def test_folders_that_are_many_are_asked_about_in_one_go_by_a_server_that_bears_it(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    imap_server.capabilities += " LIST-STATUS"
    watched = asked_of(imap_server, loopback, b"INBOX", b"Archive", b"Projects")
    watched.post = replace(watched.post, is_told_at_once=True)
    assert ask(watched)
    assert not ask(watched)
    imap_server.folder("Projects").add(b"Subject: x\r\n\r\n")
    assert ask(watched)
    assert not ask(watched)
    assert not any(b"Projects" in command.arguments for command in imap_server.commands)
    imap_server.on("LIST", drop)
    with pytest.raises(ConnectionLostError):
        ask(watched)
    imap_server.folder("Archive").add(b"Subject: x\r\n\r\n")
    assert ask(watched)
    assert not ask(watched)
    watched.imap.close()


def test_an_inbox_in_use_is_asked_again(imap_server: ScriptedImap, loopback: EgressPolicy) -> None:
    watched = asked_of(imap_server, loopback, b"INBOX")
    imap_server.on("STATUS", refuse("NO [INUSE] busy"))
    for _ in range(2):
        with pytest.raises(TurnedAwayError):
            ask(watched)


def test_where_idle_is_refused_the_inbox_is_asked_about(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    watched = asked_of(imap_server, loopback, b"INBOX")
    imap_server.on("IDLE", refuse("NO not today"))
    assert ask(watched)
    assert not watched.can_idle
    assert not ask(watched)
    imap_server.folder().add(b"Subject: x\r\n\r\n")
    assert ask(watched)
    assert imap_server.verbs().count("IDLE") == 1
    watched.imap.close()


def test_where_idle_tells_nothing_the_inbox_is_asked_about(
    imap_server: ScriptedImap, loopback: EgressPolicy
) -> None:
    watched = asked_of(imap_server, loopback, b"INBOX")
    assert ask(watched)
    could_idle = []
    for tells in (False, True, False, False):
        imap_server.folder().add(b"Subject: x\r\n\r\n")
        if tells:
            imap_server.push(b"* 2 EXISTS\r\n")
        assert ask(watched)
        could_idle.append(watched.can_idle)
    assert could_idle == [True, True, True, False]
    assert not ask(watched)
    watched.imap.close()


def test_nobodys_servers_take_all_threads(ours: World, theirs: World, watch: Watch) -> None:
    submitted: list[Any] = []
    watch._pool.submit = lambda _, watched: submitted.append(watched.post.organization_id)
    for world in (ours,) * 20 + (theirs,):
        make_mailbox(world, account={"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9})
    watch.turn(0)
    watch.turn(0)
    assert submitted.count(theirs.id) == 1
    assert submitted.count(ours.id) == watch._most_of_one < 20


def test_whoever_adds_many_mailboxes_keeps_nobody_from_being_heard(
    ours: World, theirs: World, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.watch.BEGUN_AT_ONCE", 3)
    watch._send_due = lambda: None
    for world in (theirs,) * 10 + (ours,):
        make_mailbox(world, account={"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9})
    for count in (3, 6, 9, 11):
        watch.turn(0)
        assert len(watch.watched) == count
        assert count < 6 or ours.id in {watched.post.organization_id for watched in watch.watched.values()}
    assert not watch._to_begin


def test_organizations_with_a_mailbox_each_are_heard_together_while_there_is_time(
    ours: World, theirs: World, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch._send_due = lambda: None
    for world in (ours, theirs):
        make_mailbox(world, account={"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9})
    watch.turn(0)
    assert len(watch.watched) == 2
    for watched in list(watch.watched.values()):
        watch._drop(watched)
    monkeypatch.setattr("workers.watch.BEGUN_SECONDS", 0)
    watch._look_at = 0.0
    for count in (1, 2):
        watch.turn(0)
        assert len(watch.watched) == count


def test_an_account_whose_password_cannot_be_read_is_begun_anew_once_in_a_while_or_when_it_changes(
    ours: World, theirs: World, watch: Watch, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch._send_due = lambda: None
    for world, secret in ((ours, b"x"), (theirs, None)):
        reads = {"imap_enabled": True, "imap_host": "127.0.0.1", "imap_port": 9, "imap_secret": secret}
        make_mailbox(world, account=reads)
    begun: list[UUID] = []
    settings = workers.watch.imap_settings
    monkeypatch.setattr(
        "workers.watch.imap_settings", lambda account: begun.append(account.owner_id) or settings(account)
    )

    def look() -> int:
        watch._look_at = 0.0
        watch.turn(0)
        return begun.count(ours.id)

    assert [look(), look()] == [1, 1]
    assert begun.count(theirs.id) == 1
    watch._unreadable = dict.fromkeys(watch._unreadable, 0.0)
    assert [look(), look()] == [2, 2]
    with inside(ours):
        db.session.execute(update(Account).values(imap_secret=None))
        db.session.commit()
    look()
    assert len(watch.watched) == 2


def test_every_account_belongs_to_one_shard_and_few_move_when_one_comes() -> None:
    accounts: list[UUID] = [uuid7() for _ in range(300)]
    shards = {id: [number for number in range(3) if is_ours(id, number, 3)] for id in accounts}
    assert all(len(numbers) == 1 for numbers in shards.values())
    moved = [id for id in accounts if not is_ours(id, shards[id][0], 4)]
    assert all(is_ours(id, 3, 4) for id in moved)
    assert 30 < len(moved) < 130
