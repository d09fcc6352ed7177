"""Jobs run in forked horses, twice or never, and leave the tables right."""

import pkgutil
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rq.job import Callback
from sqlalchemy import func, select, update

from mailboxes import setup
from mailboxes.accounts import Account
from mailboxes.arrivals import SHARES, Arrival, delivering_a_share
from mailboxes.messages import Message
from mailboxes.organization_deletion import begin_deleting
from mailboxes.setup.deleting import mailboxes_to_delete
from mailboxes.sync import leases
from mailboxes.sync.claiming import UNDER_WAY_PER_ORGANIZATION
from mailboxes.system_mailboxes import Mailbox
from mailboxes.tables import METADATA
from tenants.audit import Actor
from tenants.database import db, now
from tenants.database.locks import lock_holder, try_lock
from tenants.organizations import Organization
from tests.dovecot import Dovecot
from tests.factories import World, make_mailbox, make_message
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.served import Served
from workers import queues, runtime
from workers.action import act_on_messages
from workers.deletion import delete_mailbox, delete_organization
from workers.intake import _Bells, deliver_arrivals
from workers.processes import KNOWN, PROCESSES, ForeignJobError, KnownJob, run_worker
from workers.runtime import worker_app
from workers.schedule import ring_for_mailboxes_to_delete, ring_for_organizations_to_delete
from workers.sync import do_others_wait, sync_account

pytestmark = pytest.mark.usefixtures("environment_of_jobs")


def delivering_share(account_id: UUID, share: int) -> AbstractContextManager[int | None]:
    """Be a job that delivers this share."""
    others = set(range(SHARES)) - {share}
    return delivering_a_share(account_id, others, _Bells(account_id))


def test_a_job_runs_in_a_horse_and_rings_the_next_queue(ours: World, inside: Any) -> None:
    mailbox = make_mailbox(ours, action="lead")
    with inside(ours):
        arrive(mailbox, letter())
    queues.ring_intake(mailbox.account_id)
    run_worker(queues.INTAKE, is_burst=True)
    with inside(ours):
        assert db.session.query(Message).count() == 1
    assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id)]]


def test_delivering_twice_stores_once(ours: World, inside: Any) -> None:
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrive(mailbox, letter())
    for _ in range(2):
        deliver_arrivals(str(mailbox.account_id))
    with inside(ours):
        assert db.session.query(Message).count() == 1


def test_a_flood_waits_behind_the_mail_of_others(
    ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.intake.arrived.BATCH_MESSAGES", 1)
    monkeypatch.setattr("workers.intake.BATCHES_A_TURN", 2)
    monkeypatch.setattr("workers.action.MESSAGES_A_TURN", 2)
    mailbox = make_mailbox(ours, action="lead")
    with inside(ours):
        for number in range(3):
            arrive(mailbox, letter(subject=f"Letter {number}"))
    deliver_arrivals(str(mailbox.account_id))
    with inside(ours):
        assert db.session.query(Message).count() == 2
    assert [job.args for job in queues.queue(queues.INTAKE).jobs] == [[str(mailbox.account_id)]]
    deliver_arrivals(str(mailbox.account_id))
    queues.queue(queues.ACTION).empty()
    act_on_messages(str(ours.id))
    with inside(ours):
        assert db.session.query(Message).filter(Message.work == "pending").count() == 1
    assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id)]]


def test_new_mail_of_others_waits_for_one_batch_of_a_flood(
    ours: World, theirs: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.intake.arrived.BATCH_MESSAGES", 1)
    mailbox, neighbour = make_mailbox(ours), make_mailbox(theirs)
    with inside(ours):
        for number in range(3):
            arrive(mailbox, letter(subject=f"Letter {number}"))
    queues.ring_intake_in_turn(neighbour.account_id)
    deliver_arrivals(str(mailbox.account_id))
    with inside(ours):
        assert db.session.query(Message).count() == 2  # what is many lets nobody go first
    queues.queue(queues.INTAKE).empty()
    queues.ring_intake(neighbour.account_id)
    deliver_arrivals(str(mailbox.account_id))
    with inside(ours):
        assert db.session.query(Message).count() == 3
    waiting = [job.args[0] for job in queues.queue(queues.INTAKE).jobs]
    assert waiting == [str(neighbour.account_id), str(mailbox.account_id)]


def test_new_mail_goes_before_what_is_many(ours: World, theirs: World) -> None:
    large, small = make_mailbox(ours).account_id, make_mailbox(theirs).account_id
    queues.ring_intake_in_turn(large)
    queues.ring_intake(small)
    queues.ring_intake(large)  # new mail of its own
    queues.ring_intake(large)
    assert [job.args[0] for job in queues.queue(queues.INTAKE).jobs] == [str(large), str(small), str(large)]
    queues.ring_sync(large, 1)
    queues.ring_sync(small, 1, is_news=True)
    assert [job.args[0] for job in queues.queue(queues.SYNC).jobs] == [str(small), str(large)]


def test_new_mail_is_delivered_when_the_share_it_is_in_is_left(
    ours: World, theirs: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job waits for those that deliver a large mailbox, nor rings while they are at it."""
    monkeypatch.setattr("mailboxes.arrivals._is_taken", lambda *_: pytest.fail("waits"))
    mailbox, neighbour = make_mailbox(ours), make_mailbox(theirs)
    with inside(ours):
        arrive(mailbox, letter())
    with inside(theirs):
        arrive(neighbour, letter())
    waiting = queues.queue(queues.INTAKE)
    with delivering_share(mailbox.account_id, 0):
        deliver_arrivals(str(mailbox.account_id))
        deliver_arrivals(str(neighbour.account_id))
        assert waiting.jobs == []
    assert [job.args for job in waiting.jobs] == [[str(mailbox.account_id)]]
    run_worker(queues.INTAKE, is_burst=True)
    for world in (ours, theirs):
        with inside(world):
            assert db.session.query(Message).count() == 1
    assert waiting.jobs == []


def test_history_rings_no_more_while_all_of_it_is_being_delivered(ours: World, inside: Any) -> None:
    """What is stored meanwhile is found by those who deliver; new mail rings all the same."""
    account = make_mailbox(ours).account_id
    waiting = queues.queue(queues.INTAKE)
    with delivering_share(account, 0):
        with delivering_share(account, 1):
            deliver_arrivals(str(account))
            queues.ring_intake_again(account, SHARES)
            assert waiting.jobs == []
            queues.ring_intake(account)
            assert len(waiting.jobs) == 1
        waiting.empty()
        queues.begun(queues.INTAKE, account)
        queues.ring_intake_again(account, SHARES)
        assert len(waiting.jobs) == 1


def test_a_share_that_is_left_while_a_job_is_put_off_is_delivered(
    ours: World, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrive(mailbox, letter())
    with ExitStack() as slow:
        slow.enter_context(delivering_share(mailbox.account_id, 0))
        monkeypatch.setattr("workers.intake.put_off", lambda *_: slow.close())
        deliver_arrivals(str(mailbox.account_id))
    with inside(ours):
        assert db.session.query(Message).count() == 1


def test_one_job_about_the_same_thing_waits(app: Any, ours: World, theirs: World) -> None:
    for _ in range(3):
        queues.ring_action(ours.id)
    queues.ring_action(theirs.id)
    assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id)], [str(theirs.id)]]
    act_on_messages(str(ours.id))
    queues.ring_action(ours.id)
    assert len(queues.queue(queues.ACTION).jobs) == 3


def test_an_organization_cannot_hold_every_process_that_passes_run_in() -> None:
    assert PROCESSES[queues.SYNC] > UNDER_WAY_PER_ORGANIZATION


@pytest.mark.dovecot
def test_a_pass_rings_for_delivery(app: Any, dovecot: Dovecot, ours: World, inside: Any) -> None:
    served = Served(app, dovecot, ours, inside)
    served.append(letter())
    with inside(ours):
        fence = leases.take(served.mailbox.account_id, "schedule")
    assert fence is not None
    sync_account(str(served.mailbox.account_id), fence)
    sync_account(str(served.mailbox.account_id), fence)  # the same bell again
    assert served.count(Arrival) == 1
    assert {tuple(job.args) for job in queues.queue(queues.INTAKE).jobs} == {
        (str(served.mailbox.account_id),)
    }


def test_others_wait_where_a_pass_is_queued_or_due(ours: World, inside: Any) -> None:
    assert not do_others_wait()
    mailbox = make_mailbox(ours, account={"imap_enabled": True, "next_attempt_at": now()})
    assert do_others_wait()
    with inside(ours):
        fence = leases.take(mailbox.account_id, "schedule")
    assert fence is not None
    assert not do_others_wait()
    queues.ring_sync(mailbox.account_id, fence)
    assert do_others_wait()


def test_a_job_whose_lease_is_held_by_another_does_nothing(ours: World, inside: Any) -> None:
    mailbox = make_mailbox(ours, account={"imap_enabled": True})
    with inside(ours):
        leases.take(mailbox.account_id, "first")
        db.session.execute(update(Account).values(lease_expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
        leases.take(mailbox.account_id, "second")
    sync_account(str(mailbox.account_id), 1)
    with inside(ours):
        assert db.session.get_one(Account, mailbox.account_id).state == "new"


def test_jobs_about_what_was_deleted_end_quietly(app: Any) -> None:
    missing = "01890000-0000-7000-8000-000000000000"
    sync_account(missing, 1)
    deliver_arrivals(missing)


def test_an_organization_that_is_to_go_is_deleted_by_a_worker(
    ours: World, theirs: World, inside: Any
) -> None:
    with inside(theirs):
        begin_deleting(db.session.get_one(Organization, theirs.id), theirs.name, by=Actor("Sam System"))
        db.session.commit()
    queues.ring_deletion(theirs.id)
    run_worker(queues.ACTION, is_burst=True)
    assert db.session.scalars(select(Organization.id)).all() == [ours.id]


def test_a_mailbox_that_is_to_go_is_deleted_by_a_worker_also_where_nobody_rang(
    ours: World, theirs: World, inside: Any
) -> None:
    going, _ = make_mailbox(ours), make_mailbox(theirs)
    with inside(ours):
        mailbox = db.session.get_one(Mailbox, (ours.id, going.id))
        setup.begin_deleting(mailbox, mailbox.label, by=Actor("Ada Admin"))
        db.session.commit()
    ring_for_mailboxes_to_delete()
    run_worker(queues.ACTION, is_burst=True)
    for world, left in ((ours, 0), (theirs, 1)):
        with inside(world):
            assert db.session.scalar(select(func.count()).select_from(Account)) == left
    assert mailboxes_to_delete() == []


@pytest.fixture
def going(ours: World, theirs: World, inside: Any, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A mailbox of ours with more than two turns in it, beside one of the neighbour."""
    monkeypatch.setattr("mailboxes.setup.deleting.AT_ONCE", 1)
    monkeypatch.setattr("mailboxes.setup.deleting.MOST_IN_A_TURN", 1)
    for world in (ours, theirs):
        mailbox = make_mailbox(world)
        for number in range(3):
            make_message(world, mailbox, subject=f"Letter {number}")
        with inside(world):
            if world is ours:
                held = db.session.get_one(Mailbox, (ours.id, mailbox.id))
                setup.begin_deleting(held, held.label, by=Actor("Ada Admin"))
                going_id = mailbox.id
            db.session.commit()
    return going_id


def sweep(id: UUID) -> None:
    """What the schedule does half a minute later."""
    queues.redis().delete(f"rung:{id}:deletion")
    ring_for_mailboxes_to_delete()
    ring_for_organizations_to_delete()


def test_a_deletion_of_several_turns_has_one_job_however_often_it_is_swept(ours: World, going: UUID) -> None:
    for _ in range(3):
        sweep(going)
        assert [job.args for job in queues.queue(queues.ACTION).jobs] == [[str(ours.id), str(going)]]
        queues.queue(queues.ACTION).empty()  # a process takes it
        delete_mailbox(str(ours.id), str(going))
    assert mailboxes_to_delete() == [(ours.id, going)]


def test_the_deletion_of_an_organization_has_one_job_and_its_messages_have_another(
    theirs: World, going: UUID, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.organization_deletion.AT_ONCE", 1)
    monkeypatch.setattr("mailboxes.organization_deletion.MOST_IN_A_TURN", 1)
    queues.ring_action(theirs.id)
    with inside(theirs):
        begin_deleting(db.session.get_one(Organization, theirs.id), theirs.name, by=Actor("Sam System"))
        db.session.commit()
    delete_organization(str(theirs.id))
    for _ in range(2):
        sweep(theirs.id)
    rung = [job.func_name for job in queues.queue(queues.ACTION).jobs if job.args == [str(theirs.id)]]
    assert rung == ["workers.action.act_on_messages", "workers.deletion.delete_organization"]


def test_a_job_about_what_another_one_deletes_leaves_it_and_rings_nobody(
    ours: World, inside: Any, going: UUID
) -> None:
    with lock_holder(60) as other:
        assert try_lock(other, f"deletion:{going}")
        delete_mailbox(str(ours.id), str(going))
        assert queues.queue(queues.ACTION).jobs == []
        with inside(ours):
            assert db.session.query(Message).count() == 3


def test_a_queue_runs_our_functions_only(app: Any) -> None:
    job = KnownJob.create("os.system", args=("true",), connection=queues.redis())
    with pytest.raises(ForeignJobError):
        assert job.func
    known = KnownJob.create("workers.intake.deliver_arrivals", connection=queues.redis())
    assert callable(known.func)


@pytest.mark.parametrize("job_arguments", [(), ("one", "too", "many")], ids=["done", "failed"])
def test_nothing_that_a_queue_names_runs_after_a_job(
    ours: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job_arguments: tuple[str, ...]
) -> None:
    module = f"foreign_{len(job_arguments)}"
    tmp_path.joinpath(f"{module}.py").write_text(
        "from pathlib import Path\n\n\ndef run(*given):\n    Path(__file__).with_suffix('.ran').touch()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    foreign = Callback(f"{module}.run")
    queues.queue(queues.ACTION).enqueue(
        "workers.action.act_on_messages",
        args=(str(ours.id), *job_arguments),
        on_success=foreign,
        on_failure=foreign,
        on_stopped=foreign,
    )
    run_worker(queues.ACTION, is_burst=True)
    assert queues.queue(queues.ACTION).is_empty()
    assert not (tmp_path / f"{module}.ran").exists()


def test_the_application_of_a_worker_is_made_once(app: Any) -> None:
    assert worker_app() is worker_app()


def test_a_worker_of_one_queue_knows_every_table() -> None:
    """A row is written in the order of the foreign keys, which a process of its own has to know."""
    program = (
        "import workers.runtime; from tenants.database import Base; print(len(Base.metadata.sorted_tables))"
    )
    known = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(known.stdout) == len(METADATA.sorted_tables)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_job_runs_within_the_runtime(name: str) -> None:
    function: Any = pkgutil.resolve_name(name)
    assert function.__globals__ is vars(runtime), "decorate it with @job"
