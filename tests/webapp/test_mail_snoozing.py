"""My Emails: conversations are put away and come back, on the pages of whoever sees them."""

from datetime import datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from mailboxes.system_mailboxes import MailboxGrant
from mailboxes.threads import Thread
from mailboxes.threads.tags import define_tag
from tenants.configuration.layers import override
from tenants.database import db, now
from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import read
from workers import queues
from workers.schedule import SCHEDULE, Schedule, tick


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


@pytest.fixture
def client(app, ours, theirs):
    make_message(theirs, make_mailbox(theirs))
    return sign_in(app, ours.member)


def url_of(message):
    return f"/mail/conversations/{message.thread_id}"


def post(client, url, **data):
    return client.post(url, data={"csrf_token": csrf_token(client.get("/mail/").text), **data})


def badges(html):
    rows = BeautifulSoup(html, "html.parser").select("#conversations [data-walk-row]")
    return [row.select_one(".row-badges").get_text(" ", strip=True) for row in rows]


def until_of(world, message, inside):
    with inside(world):
        return db.session.scalars(select(Thread.snoozed_until).where(Thread.id == message.thread_id)).one()


def test_a_usual_time_is_chosen_from_the_menu_and_the_timeline_says_so(client, ours, mailbox, inside):
    message = make_message(ours, mailbox, subject="Lamp")
    page = BeautifulSoup(read(client, url_of(message)), "html.parser")
    menu = page.select_one(".conversation-head [data-shortcut=b]").parent
    chosen = menu.select("button[name=until]")[-1]
    assert chosen.get_text(" ", strip=True).startswith("In a week")
    answer = post(client, menu.select_one("form")["action"], until=chosen["value"])
    assert answer.location == "/mail/"
    assert "“Lamp” is snoozed" in read(client, "/mail/")
    assert badges(read(client, "/mail/")) == []
    assert badges(read(client, "/mail/?view=snoozed"))[0].startswith("Until ")
    page = read(client, url_of(message))
    assert f"{ours.member.name} snoozed the conversation until" in page
    assert "Bring back now" in page
    assert post(client, f"{url_of(message)}/back").status_code == 303
    assert until_of(ours, message, inside) is None


def test_a_typed_time_is_one_of_the_zone_of_whoever_types_it(client, ours, mailbox, inside):
    message = make_message(ours, mailbox)
    with inside(ours):
        override("general.time_zone", "Asia/Tokyo", "organization", by="Ada")
        db.session.commit()
    day = now() + timedelta(days=30)
    assert post(client, f"{url_of(message)}/snooze", until=f"{day:%Y-%m-%d}T09:30").status_code == 303
    assert f"{until_of(ours, message, inside):%Y-%m-%d %H:%M}" == f"{day:%Y-%m-%d} 00:30"


@pytest.mark.parametrize("typed", ["", "soon", "0001-01-01T00:00", "9999-12-31T23:59", "2026-01-01T00:00"])
def test_a_time_that_is_none_or_over_is_refused_in_words(client, ours, mailbox, inside, typed):
    message = make_message(ours, mailbox)
    assert post(client, f"{url_of(message)}/snooze", until=typed).status_code == 422
    assert until_of(ours, message, inside) is None


def test_many_are_put_away_at_once(client, ours, theirs, mailbox, inside):
    messages = [make_message(ours, mailbox) for _ in range(2)]
    strange = make_message(theirs, make_mailbox(theirs))
    page = BeautifulSoup(read(client, "/mail/"), "html.parser")
    chosen = page.select_one("#bulk button[value^=snooze]")["value"]
    ids = [message.thread_id for message in (*messages, strange)]
    answer = post(client, "/mail/bulk", do=chosen, rows="threads", selected=[str(id) for id in ids])
    assert answer.status_code == 303
    assert all(until_of(ours, message, inside) for message in messages)
    assert until_of(theirs, strange, inside) is None


def test_a_page_that_stays_open_offers_times_that_are_to_come(client, ours, mailbox, time_machine_clock):
    make_message(ours, mailbox)
    asked = {"HX-Request": "true", "HX-Target": "list"}
    known = client.get("/mail/", headers=asked).headers["ETag"]
    time_machine_clock.shift(86400)
    part = client.get("/mail/", headers={**asked, "If-None-Match": known})
    offered = BeautifulSoup(part.text, "html.parser").select("#bulk button[value^=snooze]")
    assert offered
    assert all(datetime.fromisoformat(one["value"].partition(" ")[2]) > now() for one in offered)


def test_who_may_only_read_is_offered_none_and_refused(app, ours, inside):
    mailbox = make_mailbox(ours, readers=())
    message = make_message(ours, mailbox)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=mailbox.id, membership_id=ours.member.id, level="read"))
        db.session.commit()
    client = sign_in(app, ours.member)
    assert 'data-shortcut="b"' not in read(client, url_of(message))
    tomorrow = (now() + timedelta(days=1)).isoformat()
    assert post(client, f"{url_of(message)}/snooze", until=tomorrow).status_code == 403
    data = {"do": f"snooze {tomorrow}", "rows": "threads", "selected": str(message.thread_id)}
    assert post(client, "/mail/bulk", **data).status_code == 403


def test_beside_a_conversation_that_is_only_read_others_are_put_away_and_tagged(app, ours, mailbox, inside):
    read_only = make_mailbox(ours, readers=())
    make_message(ours, mailbox)
    told = make_message(ours, read_only)
    with inside(ours):
        db.session.add(MailboxGrant(mailbox_id=read_only.id, membership_id=ours.member.id, level="read"))
        define_tag("late")
        db.session.commit()
    page = BeautifulSoup(read(sign_in(app, ours.member), url_of(told)), "html.parser")
    assert page.select("#bulk button[value^=snooze]")
    assert [one["value"] for one in page.select("#bulk-tag-known option")] == ["late"]
    assert not page.select("#tag-name, #snooze-until")


def test_when_its_time_has_come_pages_hear_of_it_once_and_show_it_marked(
    client, ours, theirs, mailbox, inside, time_machine_clock
):
    message = make_message(ours, mailbox)
    post(client, f"{url_of(message)}/snooze", until=(now() + timedelta(minutes=5)).isoformat())
    heard = {}
    for world in (ours, theirs):
        heard[world.id] = queues.redis().pubsub(ignore_subscribe_messages=True)
        heard[world.id].subscribe(queues.channel_of(world.id))
        heard[world.id].get_message(timeout=1)
    sweep = Schedule(tuple(one for one in SCHEDULE if one.name == "tell of those back from snooze"))
    tick(sweep)
    time_machine_clock.shift(301)
    for _ in range(2):
        sweep.due_at.clear()
        tick(sweep)
    assert b"conversation" in heard[ours.id].get_message(timeout=5)["data"]
    assert [heard[world.id].get_message(timeout=0.1) for world in (ours, theirs)] == [None, None]
    assert badges(read(client, "/mail/"))[0].startswith("Back")
