"""Redis is a bell: emptied, or robbed of a job, it delays whatever is to be done by its next sweep."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from mailboxes import organization_deletion, setup
from mailboxes.accounts import Account
from mailboxes.arrivals import Arrival
from mailboxes.crm.cases import open_case
from mailboxes.global_mailboxes import deleting, saving
from mailboxes.notices import queue_notice
from mailboxes.outgoing.outbox import Outgoing
from mailboxes.sync.claiming import Rhythms
from mailboxes.system_mailboxes import Mailbox
from mailboxes.webhooks.setup import WebhookValues, make_webhook
from tenants.audit import Actor
from tenants.configuration.layers import override
from tenants.database import db, inside, inside_installation, now, uuid7
from tenants.organizations import Organization
from tenants.permissions import PERMISSIONS
from tests.factories import World, make_mailbox, make_message
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.global_mailboxes.saying import make_global
from workers import queues
from workers.processes import KNOWN
from workers.schedule import SCHEDULE, Schedule, tick

SWEEP = 60  # seconds after which whatever was not heard is rung for again
BY = Actor("Ada Admin")
AGO = timedelta(minutes=5)


def due_account(world: World) -> None:
    make_mailbox(world, account={"imap_enabled": True, "next_attempt_at": now() - AGO})
    with inside(world.id):
        override("sync.interval_seconds", "86400", "organization", by="test")
        db.session.commit()


def stored_arrival(world: World) -> None:
    mailbox = make_mailbox(world)
    with inside(world.id):
        arrive(mailbox, letter())
        db.session.execute(update(Arrival).values(arrived_at=now() - AGO))
        db.session.commit()


def pending_message(world: World) -> None:
    make_message(world, make_mailbox(world), work="pending", work_after=now() - AGO)


def letter_to_send(world: World) -> None:
    mailbox = make_mailbox(world)
    message = make_message(world, mailbox, direction="out")
    with inside(world.id):
        db.session.add(
            Outgoing(
                mailbox_id=mailbox.id,
                message_id=message.id,
                kind="reply",
                header_id=f"{uuid7()}@ours.test",
                give_up_at=now() - AGO + timedelta(days=1),
            )
        )
        db.session.commit()


def due_notice(world: World) -> None:
    with inside(world.id):
        queue_notice("invitation", "pat@person.test", "Welcome", "Open")
        db.session.commit()


def event_to_tell(world: World) -> None:
    with inside(world.id):
        values = WebhookValues("Warehouse", "https://warehouse.test/", ("case.made",))
        make_webhook(values, by=BY, may=PERMISSIONS)
        open_case({"subject": "Broken"}, "Ada")
        db.session.commit()


def mailbox_to_delete(world: World) -> None:
    mailbox = make_mailbox(world)
    with inside(world.id):
        held = db.session.get_one(Mailbox, (world.id, mailbox.id))
        setup.begin_deleting(held, held.label, by=BY)
        db.session.commit()


def global_mailbox_to_delete(world: World) -> None:
    source_id = make_global(world)
    with inside_installation("a test"):
        source = saving.global_mailbox_of(source_id)
        deleting.begin_deleting(source, source.label, by=BY)
        db.session.commit()


def organization_to_delete(world: World) -> None:
    with inside(world.id):
        organization = db.session.get_one(Organization, world.id)
        organization_deletion.begin_deleting(organization, organization.name, by=BY)
        db.session.commit()


PENDING: dict[str, Callable[[World], None]] = {
    "workers.sync.sync_account": due_account,
    "workers.intake.deliver_arrivals": stored_arrival,
    "workers.action.act_on_messages": pending_message,
    "workers.outgoing.send_outbox": letter_to_send,
    "workers.notices.send_notices": due_notice,
    "workers.webhooks.call_webhooks": event_to_tell,
    "workers.deletion.delete_mailbox": mailbox_to_delete,
    "workers.deletion.delete_global_mailbox": global_mailbox_to_delete,
    "workers.deletion.delete_organization": organization_to_delete,
}


def robbed() -> None:
    """The jobs are lost; what else Redis knows is not."""
    for name in queues.QUEUES:
        queues.queue(name).empty()


def emptied() -> None:
    queues.redis().flushall()


def a_sweep_later(world: World) -> None:
    """What Redis remembers, and what the database says, is older by so much."""
    redis, later = queues.redis(), timedelta(seconds=SWEEP)
    for key in redis.scan_iter():
        if 0 <= redis.ttl(key) <= SWEEP:
            redis.delete(key)
    with inside(world.id):
        db.session.execute(
            update(Account).values(
                lease_expires_at=Account.lease_expires_at - later,
                next_attempt_at=Account.next_attempt_at - later,
            )
        )
        db.session.commit()


def rung() -> list[str]:
    tick(Schedule(SCHEDULE))
    return [job.func_name for name in queues.QUEUES for job in queues.queue(name).jobs]


@pytest.mark.parametrize("lose", [robbed, emptied])
@pytest.mark.parametrize("job", sorted(KNOWN))
def test_a_job_that_is_lost_is_rung_for_with_the_next_sweep(
    ours: World, theirs: World, monkeypatch: pytest.MonkeyPatch, job: str, lose: Callable[[], None]
) -> None:
    monkeypatch.setattr("workers.schedule._rhythms", Rhythms())
    PENDING[job](ours)
    for _ in range(2):
        assert rung().count(job) == 1
        lose()
        a_sweep_later(ours)


def test_a_job_that_waits_is_rung_for_once(ours: World, theirs: World) -> None:
    mailbox_to_delete(ours)
    for _ in range(3):
        assert rung().count("workers.deletion.delete_mailbox") == 1
        a_sweep_later(ours)
