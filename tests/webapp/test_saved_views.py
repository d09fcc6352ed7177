"""Saved views in the left column: made of a search, looked after, and as good as their address."""

from bs4 import BeautifulSoup

from tests.factories import csrf_token, make_mailbox, make_message, sign_in
from tests.webapp.reading import read

SEARCH = "/mail/?q=subject:Lamp"


def send(client, url, **data):
    return client.post(url, data={"csrf_token": csrf_token(client.get("/mail/").text), **data})


def saved(html):
    found = BeautifulSoup(html, "html.parser").select("nav[aria-label='Saved views'] a")
    return {one.get_text(" ", strip=True): one["href"] for one in found}


def test_a_search_is_kept_under_a_name_shown_as_it_and_deleted(app, ours, theirs):
    make_message(theirs, make_mailbox(theirs), subject="Lamp of theirs")
    message = make_message(ours, make_mailbox(ours), subject="Lamp")
    client = sign_in(app, ours.member)
    page = BeautifulSoup(read(client, SEARCH), "html.parser")
    new = next(link["href"] for link in page.select(".list-head a") if "Save as view" in link.text)
    assert "For everybody" not in read(client, new)
    assert send(client, new, name="").status_code == 422
    assert send(client, new, name="Lamps").location == SEARCH
    page = read(client, SEARCH)
    assert saved(page) == {"Lamps": SEARCH}
    assert "Save as view" not in page
    assert BeautifulSoup(page, "html.parser").select_one(".list-head h1").text == "Lamps"
    url = f"/mail/conversations/{message.thread_id}?q=subject%3ALamp"
    assert saved(read(client, url)) == {"Lamps": SEARCH}
    settings = BeautifulSoup(read(client, "/mail/views/"), "html.parser")
    edit = settings.select_one("a[href$='/edit']")["href"]
    assert send(client, edit, name="Lights").status_code == 303
    assert "Lights" in saved(read(client, SEARCH))
    assert send(client, edit.replace("/edit", "/move"), direction="up").status_code == 303
    assert send(client, edit.replace("/edit", "/delete")).status_code == 303
    assert saved(read(client, SEARCH)) == {}


def test_everybodys_is_made_and_changed_by_who_may_and_goes_on_record(app, ours, theirs):
    make_mailbox(ours, readers=(ours.admin, ours.member))
    admin, member = sign_in(app, ours.admin), sign_in(app, ours.member)
    assert send(member, "/mail/views/new?q=lamp", name="Lamps", is_shared="y").status_code == 422
    assert send(admin, "/mail/views/new?q=lamp", name="Lamps", is_shared="y").status_code == 303
    assert saved(read(member, "/mail/")) == {"Lamps": "/mail/?q=lamp"}
    edit = BeautifulSoup(read(admin, "/mail/views/"), "html.parser").select_one("a[href$='/edit']")["href"]
    assert "/edit" not in read(member, "/mail/views/")
    for path in ("/edit", "/move", "/delete"):
        assert send(member, edit.replace("/edit", path), name="x").status_code == 403
        assert send(sign_in(app, theirs.admin), edit.replace("/edit", path), name="x").status_code == 404
    assert "Lamps" in read(admin, "/configuration/audit-log/")
