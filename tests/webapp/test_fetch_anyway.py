"""A message that is too large: shown with the reason, and fetched when somebody asks for it."""

import pytest
from sqlalchemy import select

from mailboxes.arrivals import Arrival
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db
from tests.factories import make_mailbox, sign_in
from tests.mailboxes.arriving import folder_of
from tests.webapp.reading import read, send


@pytest.fixture
def url(ours, inside):
    mailbox = make_mailbox(ours)
    with inside(ours):
        arrival = Arrival(
            organization_id=ours.id,
            account_id=mailbox.account_id,
            folder_id=folder_of(mailbox).id,
            uid_validity=1,
            uid=7,
            size=60_000_000,
            state="too_large",
            failure="It is larger than messages that are fetched; it stays on the server.",
        )
        db.session.add(arrival)
        db.session.commit()
        return f"/configuration/mailboxes/{mailbox.id}/arrivals/{arrival.id}"


def wanted(inside, ours):
    with inside(ours):
        return db.session.scalar(select(Arrival.is_wanted))


def test_an_administrator_fetches_it_anyway(app, ours, inside, url):
    client = sign_in(app, ours.admin)
    assert "Fetch anyway" in read(client, url)
    send(client, f"{url}/fetch", at=url)
    assert wanted(inside, ours)
    assert "Fetch anyway" not in read(client, url)


def test_neither_a_member_nor_a_neighbour_does(app, ours, theirs, inside, url):
    for who, status in ((ours.member, 403), (theirs.admin, 404)):
        client = sign_in(app, who)
        send(client, f"{url}/fetch", at="/mail/", expect=status)
    assert not wanted(inside, ours)


def test_through_another_mailbox_it_is_not_found(app, ours, inside, url):
    other = make_mailbox(ours)
    with inside(ours):
        first = db.session.scalar(select(Mailbox.id).where(Mailbox.id != other.id))
    elsewhere = url.replace(str(first), str(other.id))
    send(sign_in(app, ours.admin), f"{elsewhere}/fetch", at="/configuration/mailboxes/", expect=404)
    assert not wanted(inside, ours)
