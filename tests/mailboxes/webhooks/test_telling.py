"""What happens is written down with it, for whoever listens, and costs next to nothing where nobody does."""

import math

import pytest
from sqlalchemy import select, update

from mailboxes import acting
from mailboxes.accounts import Account
from mailboxes.crm import cases, leads
from mailboxes.crm.channels import Channel
from mailboxes.inbox.conversation import assign, change_status
from mailboxes.intake import deliver
from mailboxes.setup.deleting import begin_deleting, go_on_deleting
from mailboxes.system_mailboxes import Mailbox
from mailboxes.threads import Thread
from mailboxes.threads.merging import merge_threads
from mailboxes.troubles import tell_of_troubles
from mailboxes.webhooks import setup
from mailboxes.webhooks.table import TOLD, Webhook, WebhookCall
from tenants.database import db, now
from tenants.organizations import Membership
from tests.factories import make_mailbox, make_message
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.sending import act, answering_mailbox, ask, send
from tests.mailboxes.webhooks.conftest import ADA
from tests.queries import counted_queries


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


def kinds(calls):
    return [call.kind for call in calls]


def take_in(inside, world, mailbox, *letters, **given):
    with inside(world):
        arrive(mailbox, *letters, **given)
        return deliver(mailbox.account_id)


def test_new_mail_is_told_once_and_the_history_of_a_mailbox_is_not(
    inside, ours, theirs, mailbox, listen, log
):
    listen(ours), listen(theirs)
    [batch] = take_in(inside, ours, mailbox, letter("One"), letter("Two"))
    assert batch.is_told
    take_in(inside, ours, mailbox, letter("One"))
    assert not any(one.is_told for one in take_in(inside, ours, mailbox, letter("Old"), is_history=True))
    take_in(inside, ours, mailbox, letter("Offer"), folder="junk")
    calls = log(ours)
    assert kinds(calls) == ["message.received"] * 2
    assert {call.mailbox_id for call in calls} == {mailbox.id}
    assert calls[0].sequence < calls[1].sequence
    assert log(theirs) == []


def test_an_answer_to_what_was_done_tells_that_the_conversation_is_open(inside, ours, mailbox, listen, log):
    first = make_message(ours, mailbox)
    with inside(ours):
        db.session.execute(update(Thread).values(status="done"))
        db.session.commit()
    listen(ours, kinds=("conversation.status_changed",))
    take_in(inside, ours, mailbox, letter(sender="carla@customer.test", answers=[first.message_id]))
    [call] = log(ours)
    assert call.details == {"conversation": str(first.thread_id), "status": "open"}


def test_two_conversations_that_become_one_tell_how_it_stands_now(inside, ours, mailbox, listen, log):
    survivor, loser = make_message(ours, mailbox), make_message(ours, mailbox)
    with inside(ours):
        db.session.execute(update(Thread).where(Thread.id == survivor.thread_id).values(status="done"))
        assigned = update(Thread).where(Thread.id == loser.thread_id).values(assignee_id=ours.member.id)
        db.session.execute(assigned)
        db.session.commit()
    listen(ours)
    with inside(ours):
        merge_threads(survivor.thread_id, loser.thread_id)
        db.session.commit()
    calls = log(ours)
    assert kinds(calls) == ["conversation.status_changed", "conversation.assigned"]
    assert {call.details["conversation"] for call in calls} == {str(survivor.thread_id)}
    assert (calls[0].details["status"], calls[1].details["assignee"]) == ("open", str(ours.member.id))


def on_records(ours, mailbox):
    """Everything that people do and a webhook is told of, and what it is told."""
    message = make_message(ours, mailbox)
    member = db.session.scalars(select(Membership).where(Membership.id == ours.admin.id)).one()
    change_status(member, [message.thread_id], "done")
    assign(member, [message.thread_id], ours.member.id)
    lead = leads.make_lead({"name": "Lamps"}, "Ada", opening_message_id=message.id)
    leads.change_lead(lead, {"name": "Many lamps"}, "Ada")
    case = cases.open_case({"subject": "Broken"}, "Ada", opening_message_id=message.id)
    cases.change_status(case, "resolved", "Ada")
    cases.comment(case, "Sent a new one", ours.admin.id, "Ada", is_public=False)
    return [
        "conversation.status_changed",
        "conversation.assigned",
        "lead.made",
        "lead.changed",
        "case.made",
        "case.changed",
        "case.commented",
    ]


def test_what_people_do_is_told_if_it_was_done(inside, ours, mailbox, listen, log):
    listen(ours, mailbox_ids=frozenset({mailbox.id}))
    with inside(ours):
        on_records(ours, mailbox)
        db.session.rollback()
    assert log(ours) == []
    with inside(ours):
        told = on_records(ours, mailbox)
        db.session.commit()
    calls = log(ours)
    assert kinds(calls) == told
    assert {call.mailbox_id for call in calls} == {mailbox.id}
    assert "lamps" not in str([call.details for call in calls]).lower()


def test_what_came_in_elsewhere_or_nowhere_is_not_told_of_chosen_mailboxes(
    inside, ours, mailbox, listen, log
):
    listen(ours, mailbox_ids=frozenset({make_mailbox(ours).id}))
    with inside(ours):
        on_records(ours, mailbox)
        leads.make_lead({"name": "By telephone"}, "Ada")
        db.session.commit()
    assert log(ours) == []


def test_a_webhook_whose_mailboxes_are_gone_is_told_nothing(inside, ours, mailbox, listen, log):
    listen(ours, mailbox_ids=frozenset({mailbox.id}))
    with inside(ours):
        going = db.session.get_one(Mailbox, (ours.id, mailbox.id))
        begin_deleting(going, going.label, by=ADA)
        db.session.commit()
    with inside(ours):
        on_records(ours, make_mailbox(ours))
        db.session.commit()
    assert log(ours) == []


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "of another kind"])
def test_where_nobody_listens_one_short_question_is_all(app, inside, ours, mailbox, listen, log, paused):
    webhook, _ = listen(ours, kinds=("case.made",))
    if paused:
        with inside(ours):
            setup.pause_webhook(db.session.get_one(Webhook, (ours.id, webhook.id)), by=ADA)
            db.session.commit()
    with counted_queries(app) as statements:
        take_in(inside, ours, mailbox, *(letter(f"Question {number}") for number in range(5)))
    assert len([one for one in statements if "webhook" in one]) == 1
    assert log(ours) == []


def test_many_answers_at_once_are_asked_of_as_one_is(app, inside, ours, mailbox, listen, log):
    listen(ours, kinds=("conversation.status_changed",))
    answered = [make_message(ours, mailbox) for _ in range(3)]
    with inside(ours):
        db.session.execute(update(Thread).values(status="done"))
        db.session.commit()
    answers = [letter(one.message_id, answers=[one.message_id], body=one.message_id) for one in answered]
    with counted_queries(app) as statements:
        take_in(inside, ours, mailbox, *answers)
    assert len([one for one in statements if "unnest(webhooks.kinds)" in one]) == 2
    assert {call.details["conversation"] for call in log(ours)} == {str(one.thread_id) for one in answered}


def test_records_and_answers_that_are_made_together_are_told_each(
    monkeypatch, app, inside, ours, theirs, listen, log, smtp_sink, certificates
):
    monkeypatch.setattr(acting, "SECONDS_TOGETHER", math.inf)
    mailbox = answering_mailbox(app, ours, smtp_sink, certificates)
    listen(ours, kinds=("lead.made", "automatic_response.sent"))
    with inside(ours):
        db.session.add(Channel(name="Sales"))
        db.session.get_one(Mailbox, (ours.id, mailbox.id)).action = "lead"
        db.session.commit()
    for number in range(3):
        ask(ours, mailbox, sender=f"anna@customer{number}.test", body=f"Number {number}")
    with counted_queries(app) as statements:
        act(ours)
    assert len([one for one in statements if "FROM webhooks" in one and "FOR KEY SHARE" in one]) == 1
    send(ours)
    calls = log(ours)
    assert kinds(calls) == ["lead.made"] * 3 + ["automatic_response.sent"] * 3
    assert {call.mailbox_id for call in calls} == {mailbox.id}


def test_a_mailbox_in_trouble_is_told_of_when_people_are_and_when_it_is_over(
    inside, ours, theirs, mailbox, listen, log
):
    listen(ours), listen(theirs)
    refused = {"imap_enabled": True, "state": "refused", "failing_since": now(), "failure_count": 1}
    for values in (refused, {"state": "ok", "failing_since": None, "failure_count": 0}):
        with inside(ours):
            db.session.execute(update(Account).values(**values))
            db.session.commit()
        tell_of_troubles()
        tell_of_troubles()
    calls = log(ours)
    assert kinds(calls) == ["mailbox.failing", "mailbox.recovered"]
    assert calls[0].details == {"because": "refused"}
    assert log(theirs) == []


def test_calls_go_with_their_mailbox(inside, ours, mailbox, listen, call, log):
    listen(ours)
    take_in(inside, ours, mailbox, letter())
    call(ours)
    assert [one.state for one in log(ours)] == [TOLD]
    with inside(ours):
        going = db.session.get_one(Mailbox, (ours.id, mailbox.id))
        begin_deleting(going, going.label, by=ADA)
        db.session.commit()
        assert go_on_deleting(mailbox.id)
        assert db.session.query(WebhookCall).count() == 0
