"""*Notifications*: what a person hears of mailboxes, and what the header shows of it."""

from bs4 import BeautifulSoup

from mailboxes.inbox.subscriptions import DAILY, Wish, wishes_of
from tests.factories import csrf_token, make_mailbox, make_message, sign_in

PAGE = "/my-configuration/notifications"


def labels(client, query=""):
    page = BeautifulSoup(client.get(PAGE + query).text, "html.parser")
    return [heading.find(string=True) for heading in page.select("tbody th")]


def save(client, *mailboxes, followed=(), **digests):
    token = csrf_token(client.get(PAGE).text)
    given = {f"digest-{one.id}": digests.get("digest", "never") for one in mailboxes}
    sent = {"mailbox": [str(one.id) for one in mailboxes], "follow": [str(one.id) for one in followed]}
    return client.post(PAGE, data={"csrf_token": token, **given, **sent}, follow_redirects=True)


def test_it_lists_what_the_person_may_read_fifty_at_a_time_and_finds_the_others(app, ours, theirs):
    for label in (*(f"Box {number:02}" for number in range(50)), "Office"):
        make_mailbox(ours, label=label)
    make_mailbox(ours, label="Closed", readers=(ours.admin,))
    make_mailbox(theirs, label="Zebra")
    client = sign_in(app, ours.member)
    assert labels(client) == [f"Box {number:02}" for number in range(50)]
    page = BeautifulSoup(client.get(PAGE).text, "html.parser")
    assert labels(client, page.select_one("a[rel=next]")["href"].removeprefix(PAGE)) == ["Office"]
    assert labels(client, "?q=office") == ["Office"]
    assert labels(client, "?q=zebra") == labels(client, "?q=closed") == []


def test_the_header_is_of_what_the_person_follows_and_of_nobody_elses_wish(app, ours, theirs):
    quiet, loud = make_mailbox(ours), make_mailbox(ours)
    make_message(ours, quiet, subject="Quiet")
    make_message(ours, loud, subject="Loud")
    client, colleague = sign_in(app, ours.member), sign_in(app, ours.admin)
    assert "Saved. 1 mailbox changed." in save(client, quiet, loud, followed=[loud]).text
    for one, number, is_listed in ((client, 1, False), (colleague, 2, True)):
        assert f">{number}</span>" in one.get("/mail/unread-count").text
        assert ("Quiet" in one.get("/mail/unread-menu").text) == is_listed
    assert "Quiet" in client.get("/mail/").text


def test_a_form_changes_only_what_there_is_to_choose(app, ours, theirs, inside):
    own, closed = make_mailbox(ours), make_mailbox(ours, readers=(ours.admin,))
    client = sign_in(app, ours.member)
    save(client, own, closed, make_mailbox(theirs), followed=[own], digest=DAILY)
    save(client, own, followed=[own], digest="hourly")
    with inside(ours):
        assert wishes_of(ours.member, [own.id, closed.id]) == {own.id: Wish(digest=DAILY), closed.id: Wish()}
