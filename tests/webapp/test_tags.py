"""Tags on the pages: typed in a conversation or for many, shown in rows, and looked after."""

import pytest
from bs4 import BeautifulSoup

from mailboxes.threads.tags import define_tag, tags_of
from tenants.database import db
from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import read

TAGS = "/configuration/tags/"


@pytest.fixture
def message(ours, theirs):
    make_message(theirs, make_mailbox(theirs))
    return make_message(ours, make_mailbox(ours, readers=(ours.admin, ours.member)), subject="Lamp")


def send(client, url, **data):
    return client.post(url, data={"csrf_token": csrf_token(client.get("/mail/").text), **data})


def test_a_tag_is_typed_shown_with_its_colour_found_again_and_taken_away(app, ours, message, inside):
    client = sign_in(app, ours.member)
    with inside(ours):
        define_tag("late parcel", "blue")
        db.session.commit()
    url = f"/mail/conversations/{message.thread_id}"
    page = BeautifulSoup(read(client, url), "html.parser")
    menu = page.select_one(".conversation-head [data-shortcut=l]").parent
    assert [one["value"] for one in menu.select("datalist option")] == ["late parcel"]
    watch = page.select_one("#watch")
    assert send(client, menu.form["action"], tag="Late Parcel").status_code == 303
    news = client.get(watch["hx-get"], headers={"HX-Request": "true"}).text
    link = BeautifulSoup(news, "html.parser").select_one("#tags a.tag-blue")
    assert link.get_text(strip=True) == "late parcel"
    found = BeautifulSoup(read(client, link["href"]), "html.parser")
    assert found.select_one("#conversations .row-tag .tag-blue").get_text(strip=True) == "late parcel"
    assert found.select_one(".chip").get_text(" ", strip=True).startswith("tag: late parcel")
    assert "Take “late parcel” away" in read(client, url)
    assert send(client, f"{url}/untag", tag="late parcel").status_code == 303
    with inside(ours):
        assert tags_of([message.thread_id]) == {}


def test_a_new_word_is_made_by_who_may_define_tags_and_refused_to_others_in_words(app, ours, message, inside):
    with inside(ours):
        define_tag("late parcel")
        db.session.commit()
    refused = send(sign_in(app, ours.member), f"/mail/conversations/{message.thread_id}/tag", tag="new")
    assert (refused.status_code, "There is no tag “new”" in refused.text) == (422, True)
    offered = BeautifulSoup(refused.text, "html.parser").select("#known option")
    assert [one["value"] for one in offered] == ["late parcel"]
    selected = {"rows": "threads", "selected": str(message.thread_id)}
    assert send(sign_in(app, ours.admin), "/mail/bulk", do="tag", tag="new", **selected).status_code == 303
    with inside(ours):
        assert [tag.name for tag in tags_of([message.thread_id])[message.thread_id]] == ["new"]


def test_the_vocabulary_is_looked_after_and_told_in_numbers(app, ours, theirs, message, inside):
    client = sign_in(app, ours.admin)
    assert "was added" not in read(client, TAGS)
    send(client, TAGS, name="urgent", colour="red")
    send(client, TAGS, name="broken", colour="grey")
    page = read(client, TAGS)
    assert "can be given to conversations now" in page
    send(client, f"/mail/conversations/{message.thread_id}/tag", tag="broken")
    edit = BeautifulSoup(page, "html.parser").select("tbody th a, tbody td a[href$=edit]")[0]["href"]
    merge, delete = edit.replace("/edit", "/merge"), edit.replace("/edit", "/delete")
    assert "1 conversation and 0 cases get the other tag instead" in read(client, merge)
    nothing, into = (
        one["value"] for one in BeautifulSoup(read(client, merge), "html.parser").select("select option")
    )
    assert send(client, merge, into=nothing).status_code == 422
    assert send(client, merge, into=into).status_code == 302
    assert "which 1 conversation and 0 cases had" in read(client, TAGS)
    delete = TAGS + into + "/delete"
    assert "1 conversation and 0 cases lose the tag" in read(client, delete)
    assert send(client, delete).status_code == 302
    assert "No tags yet" in read(client, TAGS)
    assert sign_in(app, theirs.member).get(TAGS).status_code == 403
