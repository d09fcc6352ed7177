"""What the system says reaches whom a global mailbox serves, whatever happens on the way."""

import pytest
from sqlalchemy import select, update

from mailboxes.global_mailboxes import following, overriding, saving
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.messages import Message
from mailboxes.offering import create_organization, offer_everything
from mailboxes.routing.served import served_by
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside, inside_installation
from tenants.errors import ConflictError
from tests.factories import make_mailbox, make_message, make_organization
from tests.mailboxes.global_mailboxes.saying import (
    ADA,
    BY,
    INBOX,
    change_served,
    labels_of,
    mailbox_in,
    make_global,
    system_says,
    the_mailbox,
    typed,
)


def test_a_change_that_died_before_it_reached_anybody_is_finished_by_the_sweep(served, worlds):
    system_says(served, "label", "Information")
    assert labels_of(worlds["ours"]) == ["Info"]
    following.catch_up()
    assert labels_of(worlds["ours"]) == labels_of(worlds["theirs"]) == ["Information"]


def test_a_change_that_died_half_way_is_finished_by_the_sweep(served, worlds, monkeypatch):
    system_says(served, "label", "Information")
    settled = []

    def die_at_the_second(session, id, organizations):
        settled.append(organizations)
        if len(settled) == 2:
            raise RuntimeError("killed")
        settle(session, id, organizations)

    settle = following.settle
    with monkeypatch.context() as patched:
        patched.setattr(following, "AT_ONCE", 1)
        patched.setattr(following, "settle", die_at_the_second)
        with pytest.raises(RuntimeError):
            following.follow(served)
    assert sorted(labels_of(worlds["ours"]) + labels_of(worlds["theirs"])) == ["Info", "Information"]
    following.catch_up()
    assert labels_of(worlds["ours"]) == labels_of(worlds["theirs"]) == ["Information"]


ACTS = {
    "go live": lambda source, ours, theirs: saving.go_live(source, by=BY),
    "switch": lambda source, ours, theirs: saving.switch(source, is_enabled=False, by=BY),
    "serve": lambda source, ours, theirs: saving.serve(source, [ours.id], by=BY),
    "stop serving": lambda source, ours, theirs: saving.stop_serving(source, [theirs.id], by=BY),
    "make home": lambda source, ours, theirs: saving.make_home(source, ours.id, by=BY),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_is_saved_while_somebody_decides_is_not_lost(worlds, act):
    id = make_global(worlds["theirs"], is_shadow=True)
    with inside_installation("a test") as session:
        source = saving.global_mailbox_of(id)
        before = source.version
        system_says(id, "label", "Information")
        act(source, worlds["ours"], worlds["theirs"])
        session.commit()
        session.refresh(source)
        assert (source.label, source.version) == ("Information", before + 2)


def test_what_somebody_switched_live_meanwhile_is_not_switched_twice(worlds):
    id = make_global(*worlds.values(), is_shadow=True)
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        system_says(id, "shadow", False)
        with pytest.raises(ConflictError, match="live already"):
            saving.go_live(source, by=BY)


def test_the_sweep_does_nothing_where_nothing_is_behind(served, worlds, monkeypatch):
    monkeypatch.setattr(following, "settle", None)
    following.catch_up()


@pytest.mark.parametrize("label", ["Info", "INFO"])
def test_a_label_that_an_organization_gave_away_already_is_no_obstacle_there(worlds, label):
    make_mailbox(worlds["ours"], label=label)
    make_mailbox(worlds["ours"], label="Info (System)")
    make_global(*worlds.values())
    assert labels_of(worlds["ours"]) == [label, "Info (System)", "Info (System 2)"]
    assert labels_of(worlds["theirs"]) == ["Info"]


def test_a_label_that_somebody_takes_at_this_very_moment_only_delays(served, worlds, monkeypatch):
    def take(session, id, organizations):
        make_mailbox(worlds["ours"], label="Information")
        settle(session, id, organizations)
        session.execute(update(Mailbox).where(Mailbox.global_mailbox_id == id).values(label="Information"))

    settle = following.settle
    system_says(served, "label", "Information")
    with monkeypatch.context() as patched:
        patched.setattr(following, "settle", take)
        following.follow(served)
    assert labels_of(worlds["theirs"]) == ["Info"]
    following.catch_up()
    assert labels_of(worlds["theirs"]) == ["Information"]
    assert "Information (System)" in labels_of(worlds["ours"])


def test_an_organization_may_have_the_address_already(worlds):
    make_mailbox(worlds["ours"], address="info@everybody.test")
    make_global(*worlds.values())
    assert len(labels_of(worlds["ours"])) == 2


def test_all_organizations_means_those_made_later_too(app, worlds):
    make_global(serves_all=True)
    assert labels_of(worlds["theirs"]) == ["Info"]
    with app.app_context():
        created = create_organization("Later", "later")
        offer_everything()  # twice is once
        assert [mailbox.label for mailbox in db.session.scalars(select(Mailbox))] == ["Info"]
        assert the_mailbox().is_enabled
        db.session.commit()
    planted = make_organization("Planted")  # by nobody who would serve it
    following.catch_up()
    assert labels_of(planted) == ["Info"]
    with inside(created.id):
        assert len(list(db.session.scalars(select(Mailbox)))) == 1


def test_the_home_organization_stays_served_when_all_the_others_are_let_go(worlds):
    id = make_global(serves_all=True)
    with inside_installation("a test"):
        source = saving.global_mailbox_of(id)
        saving.make_home(source, worlds["ours"].id, by=BY)
        saving.change(source, GlobalValues(typed(), serves_all=False), [INBOX], by=BY)
        db.session.commit()
    following.follow(id)
    served = served_by(mailbox_in(worlds["ours"]).account_id)
    assert {one.name: one.is_open for one in served} == {
        worlds["ours"].name: True,
        worlds["theirs"].name: False,
    }


def test_chosen_means_the_chosen_ones(app, worlds):
    make_global(worlds["ours"])
    assert labels_of(worlds["theirs"]) == []
    with app.app_context():
        create_organization("Later", "later")
        assert the_mailbox() is None


def test_who_is_no_longer_served_keeps_everything_and_rests(served, worlds):
    ours = worlds["ours"]
    with inside(ours.id):
        overriding.override(the_mailbox(), "label", "Ours", by=ADA)
        db.session.commit()
    message = make_message(ours, mailbox_in(ours))
    change_served(saving.stop_serving, served, ours)
    following.follow(served)
    mailbox = mailbox_in(ours)
    assert (mailbox.is_served, mailbox.is_enabled, mailbox.label) == (False, False, "Ours")
    with inside(ours.id):
        assert db.session.scalar(select(Message.id)) == message.id
        with pytest.raises(ConflictError):
            overriding.override(the_mailbox(), "enabled", True, by=ADA)
    system_says(served, "enabled", True)
    following.follow(served)
    assert not mailbox_in(ours).is_enabled
    change_served(saving.serve, served, ours)
    following.follow(served)
    mailbox = mailbox_in(ours)
    assert (mailbox.is_served, mailbox.is_enabled, mailbox.label) == (True, True, "Ours")


def test_the_home_organization_is_served(served, worlds):
    third = make_organization("Third")
    with inside_installation("a test"):
        source = saving.global_mailbox_of(served)
        saving.make_home(source, third.id, by=BY)
        db.session.commit()
        with pytest.raises(ConflictError, match="Third is the home organization"):
            saving.stop_serving(source, [third.id], by=BY)
    following.follow(served)
    assert labels_of(third) == ["Info"]
