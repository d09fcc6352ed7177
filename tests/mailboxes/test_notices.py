"""Mail of the system itself: by the system's server alone, once, and nothing of it kept in clear."""

import email
from datetime import timedelta
from email import policy

import pytest
from sqlalchemy import select, text, update

from mailboxes.notices import (
    Notice,
    call_off,
    can_send,
    forget_old_notices,
    latest_notices,
    owners_with_due_notices,
    queue_notice,
    send_due_notices,
)
from mailboxes.notices.sending import KEPT
from tenants.configuration.layers import override
from tenants.database import INSTALLATION, across_organizations, db, inside_installation, now, uuid7
from tenants.errors import InvalidError
from tenants.organizations import Organization
from tests.smtp_sink import DROP
from workers import queues
from workers.notices import send_notices
from workers.schedule import ring_for_due_notices

LINK = "https://postroom.test/secret-link"


def queue(inside, world, **given):
    with inside(world):
        wanted = {"recipient": "pat@person.test", "subject": "Café", "body": f"Open {LINK}", **given}
        made = queue_notice("invitation", **wanted)
        db.session.commit()
    return made


def notices():
    with across_organizations("a test looks at all of them") as session:
        return list(session.scalars(select(Notice).order_by(Notice.id)))


def put(**values):
    with across_organizations("a test moves the clock") as session:
        session.execute(update(Notice).values(**values))
        session.commit()


def test_a_notice_leaves_once_by_the_systems_server(ours, theirs, inside, system_sink):
    queue(inside, ours)
    for _ in range(2):
        send_due_notices(ours.id)
    (sunk,) = system_sink.messages
    parsed = email.message_from_bytes(sunk.content, policy=policy.default)
    assert (sunk.sender, sunk.recipients) == ("notices@postroom.test", ("pat@person.test",))
    assert (parsed["Subject"], parsed["Auto-Submitted"]) == ("Café", "auto-generated")
    assert parsed.get_content().strip() == f"Open {LINK}"
    assert notices()[0].state == "sent"


def test_an_organizations_own_server_never_carries_a_notice(ours, inside, system_sink):
    with inside(ours):
        override("smtp.host", "mail.acme.test", "organization", by="Ada")
        override("notice.sender_address", "ada@acme.test", "organization", by="Ada")
        db.session.commit()
    queue(inside, ours)
    send_due_notices(ours.id)
    assert [sunk.sender for sunk in system_sink.messages] == ["notices@postroom.test"]


def test_a_waiting_notice_is_unreadable_and_a_sent_one_is_forgotten(ours, inside, system_sink):
    queue(inside, ours)
    with across_organizations("a test reads what is stored") as session:
        stored = session.scalars(text("SELECT n::text FROM notices n")).one()
    assert "secret-link" not in stored
    assert notices()[0].content is not None
    send_due_notices(ours.id)
    assert notices()[0].content is None


def test_a_neighbour_neither_sees_nor_sends_it(ours, theirs, inside, system_sink):
    queue(inside, ours)
    with inside(theirs):
        assert db.session.scalars(select(Notice)).all() == []
    send_due_notices(theirs.id)
    send_due_notices(INSTALLATION)
    assert system_sink.messages == []


def test_the_installation_has_an_outbox_of_its_own(ours, inside, system_sink):
    with inside_installation("a test"):
        queue_notice("password_reset", "sam@person.test", "Password", LINK)
        db.session.commit()
    with inside(ours):
        assert db.session.scalars(select(Notice)).all() == []
    send_due_notices(INSTALLATION)
    assert [sunk.recipients for sunk in system_sink.messages] == [("sam@person.test",)]


def test_what_is_said_once_is_not_said_again(ours, theirs, inside, system_sink):
    assert queue(inside, ours, once="mailbox is failing") is not None
    assert queue(inside, ours, once="mailbox is failing") is None
    assert queue(inside, theirs, once="mailbox is failing") is not None


def test_a_notice_that_was_called_off_does_not_leave(ours, inside, system_sink):
    about = uuid7()
    queue(inside, ours, about_id=about)
    with inside(ours):
        call_off(about)
        db.session.commit()
    send_due_notices(ours.id)
    assert system_sink.messages == []
    with inside(ours):
        assert latest_notices([about])[about].state == "cancelled"


def test_a_busy_server_is_tried_again_and_a_refusal_is_final(ours, inside, system_sink):
    queue(inside, ours)
    system_sink.fail("RCPT", "451 4.3.0 Later", times=1)
    send_due_notices(ours.id)
    assert (notices()[0].state, system_sink.messages) == ("ready", [])
    put(next_attempt_at=now() - timedelta(seconds=1))
    system_sink.fail("RCPT", "550 5.1.1 No such user")
    send_due_notices(ours.id)
    assert (notices()[0].state, notices()[0].content) == ("failed", None)
    assert "No such user" in notices()[0].last_error


def test_silence_after_the_dot_is_never_repeated(ours, inside, system_sink):
    queue(inside, ours)
    system_sink.fail("dot", DROP, is_stored=True)
    send_due_notices(ours.id)
    system_sink.heal()
    put(next_attempt_at=now() - timedelta(seconds=1))
    send_due_notices(ours.id)
    assert (len(system_sink.messages), notices()[0].state) == (1, "unknown")


def test_claims_that_a_crash_left_behind_are_settled(ours, inside, system_sink):
    queue(inside, ours)
    put(state="claimed", claim_expires_at=now() - timedelta(seconds=1))
    send_due_notices(ours.id)
    assert notices()[0].state == "sent"
    queue(inside, ours)
    put(state="committing", claim_expires_at=now() - timedelta(seconds=1))
    send_due_notices(ours.id)
    assert (len(system_sink.messages), notices()[-1].state) == (1, "unknown")


def test_without_a_server_a_notice_waits_until_its_time_is_over(ours, inside, app):
    assert not can_send()
    queue(inside, ours)
    send_due_notices(ours.id)
    assert "no SMTP server" in notices()[0].last_error
    put(give_up_at=now() - timedelta(seconds=1))
    send_due_notices(ours.id)
    assert notices()[0].state == "failed"


def test_a_notice_whose_next_attempt_would_come_too_late_ends_at_once(ours, inside, system_sink):
    queue(inside, ours)
    put(give_up_at=now() + timedelta(seconds=30))
    system_sink.fail("RCPT", "451 4.3.0 Later")
    send_due_notices(ours.id)
    (late,) = notices()
    assert (late.state, late.content, late.give_up_at > now()) == ("failed", None, True)
    assert "Later" in late.last_error


def test_an_address_with_a_line_break_is_refused(ours, inside):
    with pytest.raises(InvalidError):
        queue(inside, ours, recipient="pat@person.test\r\nBcc: eve@x.test")


def test_nothing_is_due_for_a_disabled_organization(ours, theirs, inside, system_sink):
    queue(inside, ours)
    queue(inside, theirs)
    db.session.get(Organization, theirs.id).is_enabled = False
    db.session.commit()
    assert owners_with_due_notices() == [ours.id]
    send_due_notices(theirs.id)
    assert system_sink.messages == []


def test_the_sweep_rings_and_the_job_sends(app, ours, inside, system_sink, monkeypatch):
    monkeypatch.setattr("workers.runtime._app_of", lambda process_id: app)
    queue(inside, ours)
    ring_for_due_notices()
    (job,) = queues.queue(queues.NOTICES).jobs
    assert job.args == [str(ours.id)]
    send_notices(*job.args)
    assert len(system_sink.messages) == 1


def test_old_notices_are_forgotten(ours, inside, system_sink):
    queue(inside, ours)
    queue(inside, ours)
    send_due_notices(ours.id)
    with across_organizations("a test moves the clock") as session:
        first = select(Notice.id).order_by(Notice.id).limit(1).scalar_subquery()
        old = update(Notice).where(Notice.id == first).values(ended_at=now() - KEPT - timedelta(hours=1))
        session.execute(old.execution_options(synchronize_session=False))
        session.commit()
    forget_old_notices()
    assert len(notices()) == 1
