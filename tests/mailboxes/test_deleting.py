"""A mailbox that is deleted is closed at once, and its rows go in portions, whoever dies meanwhile."""

from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from mailboxes import acting
from mailboxes.access import readable_mailboxes
from mailboxes.accounts import Account
from mailboxes.arrivals import Raw
from mailboxes.crm.carrying import USED
from mailboxes.crm.lead_sources import LeadSource, offer_lead_sources
from mailboxes.global_mailboxes import deleting as global_deleting
from mailboxes.global_mailboxes.following import catch_up, follow
from mailboxes.global_mailboxes.saving import global_mailbox_of, serve, stop_serving
from mailboxes.global_mailboxes.uses import OwnUses, own_uses_of_lead_source
from mailboxes.invariants import check_all
from mailboxes.messages import Message
from mailboxes.setup import begin_deleting, deleting, going
from mailboxes.setup.deleting import go_on_deleting, mailboxes_to_delete
from mailboxes.sync.claiming import Rhythms, claim_due
from mailboxes.system_mailboxes import SEES_DELETED, Mailbox
from tenants.audit import Actor, AuditEntry, SystemAuditEntry
from tenants.database import db, inside_installation
from tests.factories import World, make_mailbox, make_message, sign_in
from tests.mailboxes.arriving import letter, receive
from tests.mailboxes.deleting import finish_deleting
from tests.mailboxes.global_mailboxes.saying import make_global, the_mailbox
from tests.queries import counted_queries
from tests.webapp.reading import read, words_of

BOB = Actor("Bob")
READ = {"imap_enabled": True, "imap_host": "imap.acme.test"}


@pytest.fixture
def mailbox(ours: World, theirs: World) -> Mailbox:
    for world in (theirs, ours):
        mailbox = make_mailbox(world, label="Support", readers=(world.member,), account=READ)
        receive(world, mailbox, *(letter(body=str(number)) for number in range(3)))
    return mailbox


def close(inside: Any, world: World, mailbox: Mailbox, label: str = "Support") -> None:
    with inside(world):
        begin_deleting(db.session.get_one(Mailbox, (world.id, mailbox.id)), label, by=BOB)
        db.session.commit()


def counts(inside: Any, world: World) -> list[int]:
    with inside(world):
        tables = (Mailbox, Account, Message, Raw)
        return [db.session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def acts(inside: Any, world: World) -> list[str]:
    with inside(world):
        return list(db.session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))


def acts_of_the_system() -> list[str]:
    with inside_installation("a test") as session:
        of_mailboxes = select(SystemAuditEntry).where(SystemAuditEntry.act.like("mailbox.delet%"))
        entries = session.scalars(of_mailboxes.order_by(SystemAuditEntry.id)).all()
    assert {(entry.actor_name, entry.subject) for entry in entries} == {("Bob", "Info")}
    return [entry.act for entry in entries]


def test_nobody_knows_a_mailbox_that_is_being_deleted_and_its_label_is_free(
    ours: World, theirs: World, inside: Any, mailbox: Mailbox
) -> None:
    close(inside, ours, mailbox)
    assert [row.organization_id for row in claim_due(10, Rhythms())] == [theirs.id]
    for world, known in ((ours, []), (theirs, ["Support"])):
        with inside(world):
            assert [one.label for one in db.session.scalars(readable_mailboxes(world.member))] == known
    make_mailbox(ours, label="Support", address=mailbox.address, readers=())
    assert counts(inside, ours) == [1, 2, 3, 3]  # what was in it is there yet
    finish_deleting()
    assert counts(inside, ours) == [1, 1, 0, 0]
    assert counts(inside, theirs) == [1, 1, 3, 3]
    assert [one.invariant.name for one in check_all() if one.broken and one.invariant.name != "I19"] == []


def test_it_goes_in_portions_and_is_on_record_when_it_is_gone(
    app: Flask, ours: World, inside: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 1)
    monkeypatch.setattr(deleting, "MOST_IN_A_TURN", 2)
    close(inside, ours, mailbox)
    with inside(ours):
        assert not go_on_deleting(mailbox.id)
        with counted_queries(app) as asked:
            assert [(one.label, one.by, one.had, one.left) for one in going()] == [("Support", "Bob", 3, 1)]
        assert not [statement for statement in asked if "FROM messages" in statement]
    assert acts(inside, ours) == ["mailbox.deletion_begun"]
    finish_deleting()
    with inside(ours):
        assert go_on_deleting(mailbox.id)  # again, as a job that was rung twice
    assert acts(inside, ours) == ["mailbox.deletion_begun", "mailbox.deleted"]
    assert mailboxes_to_delete() == []


def test_whoever_dies_over_it_is_followed_by_the_next_job(
    ours: World, inside: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 1)
    close(inside, ours, mailbox)
    with monkeypatch.context() as patch, inside(ours):
        portions = iter([deleting._delete_some] * 2)
        patch.setattr(deleting, "_delete_some", lambda held: next(portions)(held))
        with pytest.raises(StopIteration):
            go_on_deleting(mailbox.id)
    assert counts(inside, ours) == [0, 1, 1, 3]
    finish_deleting()
    assert counts(inside, ours) == [0, 0, 0, 0]
    assert acts(inside, ours)[-1] == "mailbox.deleted"


def test_a_global_mailbox_is_closed_everywhere_before_one_turn_is_deleted_of_all(
    ours: World, theirs: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 1)
    monkeypatch.setattr(deleting, "MOST_IN_A_TURN", 1)
    source_id = make_global(ours, theirs)
    for world in (ours, theirs):
        with inside(world):
            followed = the_mailbox()
        for number in range(2):
            make_message(world, followed, subject=str(number))
    with inside_installation("a test") as session:
        global_deleting.begin_deleting(global_mailbox_of(source_id), "Info", by=BOB)
        session.commit()
    assert acts_of_the_system() == ["mailbox.deletion_begun"]
    assert not global_deleting.go_on_deleting(source_id)
    assert len(mailboxes_to_delete()) == 2
    assert mailboxes_to_delete(but_of=[source_id]) == []  # its own job does it
    assert counts(inside, ours)[2] + counts(inside, theirs)[2] == 3
    while not global_deleting.go_on_deleting(source_id):
        pass
    assert counts(inside, ours)[2] + counts(inside, theirs)[2] == 0
    assert acts_of_the_system() == ["mailbox.deletion_begun", "mailbox.deleted"]


@pytest.mark.parametrize(("attempts", "moment"), [(0, "hold_turn"), (1, "mailbox_of")])  # together, alone
def test_one_that_is_closed_while_a_message_is_acted_on_holds_up_no_other(
    ours: World,
    inside: Any,
    mailbox: Mailbox,
    database_urls: Any,
    monkeypatch: pytest.MonkeyPatch,
    attempts: int,
    moment: str,
) -> None:
    go_on = getattr(acting, moment)

    def closed_meanwhile(*given: Any) -> Any:
        with psycopg.connect(database_urls.system.replace("+psycopg", "")) as connection:
            connection.execute("UPDATE mailboxes SET deleted_at = now() WHERE id = %s", (mailbox.id,))
        return go_on(*given)

    other = make_mailbox(ours, label="Sales", address="sales@acme.test", action="lead")
    with inside(ours):
        db.session.execute(update(Message).values(work="pending", work_attempts=attempts))
        db.session.commit()
    receive(ours, other, letter("Offer"))
    monkeypatch.setattr(acting, moment, closed_meanwhile)
    with inside(ours):
        assert [one.mailbox_id for one in acting.act_on_pending()] == [other.id]


def test_nobody_brings_it_what_the_system_says_and_its_label_is_free_for_a_global_one(
    ours: World, theirs: World, inside: Any, mailbox: Mailbox
) -> None:
    own = make_mailbox(ours, label="Info", address="own@acme.test")
    close(inside, ours, own, "Info")
    source_id = make_global(ours, theirs)
    with inside_installation("a test") as session:
        stop_serving(global_mailbox_of(source_id), [ours.id], by=BOB)
        session.commit()
    follow(source_id)
    with inside(ours):
        followed = the_mailbox()
        assert followed.label == "Info"
    close(inside, ours, followed, "Info")
    with inside_installation("a test") as session:
        serve(global_mailbox_of(source_id), [ours.id], by=BOB)
        session.commit()
    follow(source_id)
    with inside(ours):
        known = select(Mailbox.is_enabled).where(Mailbox.id == followed.id)
        assert db.session.scalars(known, execution_options={SEES_DELETED: True}).all() == [False]
    catch_up()  # has nothing to do again and again


def test_it_uses_no_lead_source_any_more(ours: World, theirs: World, inside: Any, mailbox: Mailbox) -> None:
    for world in (ours, theirs):
        with inside(world):
            offer_lead_sources()
            source = db.session.scalars(select(LeadSource).where(LeadSource.system_key.is_not(None))).first()
            db.session.execute(update(Mailbox).values(action_settings={"source": source.key}))
            db.session.commit()
            key = source.system_key
    assert own_uses_of_lead_source(key) == OwnUses(2, 2)
    close(inside, ours, mailbox)
    assert own_uses_of_lead_source(key) == OwnUses(1, 1)
    with inside(ours):
        assert db.session.scalar(text(USED), {"key": key}) == 0


def test_administrators_see_how_far_it_is_and_nobody_opens_it(
    app: Any, ours: World, inside: Any, mailbox: Mailbox
) -> None:
    close(inside, ours, mailbox)
    client = sign_in(app, ours.admin)
    grid = words_of(read(client, "/configuration/mailboxes/"))
    assert "Support is being deleted, as Bob asked" in grid
    assert "Still in it: 3 messages of 3." in grid
    assert client.post(f"/configuration/mailboxes/{mailbox.id}/resume").status_code in (400, 404)
    read(client, f"/configuration/mailboxes/{mailbox.id}", expect=404)
    finish_deleting()
    assert "being deleted" not in words_of(read(client, "/configuration/mailboxes/"))
