"""My Emails: what is in one message, handed out so that no browser runs it."""

import io
import re
import zipfile
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from mailboxes import parsing
from mailboxes.inbox import content
from tenants.configuration.layers import override
from tenants.database import db
from tests.factories import csrf_token, form_token, make_mailbox, make_member, make_message, make_raw, sign_in
from tests.webapp.reading import read

HTML = '<p>Hello <b>there</b> <a href="https://shop.test">shop</a></p><img src="https://spy.test/x.png"><script>x()</script>'
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.fixture
def mailbox(ours):
    return make_mailbox(ours)


@pytest.fixture
def client(app, ours):
    return sign_in(app, ours.member)


def policy_of(answer):
    return answer.headers["Content-Security-Policy"]


def test_a_large_body_is_made_safe_once_and_its_text_is_not_read_for_it(client, ours, mailbox, monkeypatch):
    message = make_message(ours, mailbox, html="<b>x</b>" * 4000)
    url = f"/mail/messages/{message.id}/body"
    monkeypatch.setattr(parsing.bodies, "text_of_html", None)
    first = client.get(url)
    monkeypatch.setattr(content, "sanitize", None)
    assert first.text.count("<b>x</b>") == 4000
    assert client.get(url).text.count("<b>x</b>") == 4000


def with_inline_image(content_type="image/png", content_id="logo@shop.test"):
    return (
        f"From: a@x.test\r\nTo: b@x.test\r\nSubject: Logo\r\nMessage-ID: <{content_type}@x.test>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n'
        f'--b\r\nContent-Type: text/html\r\n\r\n<p>x</p><img src="cid:{content_id}">\r\n'
        f"--b\r\nContent-Type: {content_type}\r\nContent-ID: <{content_id}>\r\n"
        f"Content-Disposition: inline; filename=logo\r\n\r\n<svg onload=alert(1)>\r\n--b--\r\n"
    ).encode()


def test_a_long_text_says_that_it_goes_on(client, ours, mailbox):
    whole, cut = (make_message(ours, mailbox, text=text) for text in ("Hello. " * 9, "Hello. " * 20_000))
    goes_on = "This message is longer than what is shown. The original holds all of it."
    pages = [read(client, f"/mail/conversations/{one.thread_id}") for one in (whole, cut)]
    assert [goes_on in page for page in pages] == [False, True]


def test_a_body_without_all_of_its_styles_says_so(client, ours, mailbox):
    styled = "".join(f"<p style='width: calc({n}px + 1px)'>x</p>" for n in range(2_000))
    bodies = [make_message(ours, mailbox, html=html) for html in (styled[:1_000], styled)]
    told = [client.get(f"/mail/messages/{one.id}/body").text.count("looks plainer") for one in bodies]
    assert told == [0, 1]


def test_the_body_is_a_document_of_its_own_in_which_nothing_runs(client, ours, mailbox):
    message = make_message(ours, mailbox, html=HTML)
    answer = client.get(f"/mail/messages/{message.id}/body")
    body = BeautifulSoup(answer.text, "html.parser")
    assert body.b.get_text() == "there"
    assert not body.select("script, img[src^=http]")
    assert body.html["data-blocked-images"] == "1"
    policy = policy_of(answer)
    assert "default-src 'none'" in policy
    assert "img-src 'self' data:;" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert re.search(r"sandbox (?!.*allow-scripts)(?!.*allow-forms)", policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_frame_is_sandboxed_by_the_page_too(client, ours, mailbox):
    message = make_message(ours, mailbox, html=HTML)
    frame = BeautifulSoup(read(client, f"/mail/conversations/{message.thread_id}"), "html.parser").iframe
    assert frame["src"] == f"/mail/messages/{message.id}/body"
    assert set(frame["sandbox"]) == {
        "allow-same-origin",
        "allow-popups",
        "allow-popups-to-escape-sandbox",
    }


def test_remote_images_are_shown_when_asked_for_and_the_timeline_says_who(client, ours, mailbox):
    message = make_message(ours, mailbox, html=HTML)
    url = f"/mail/conversations/{message.thread_id}"
    page = client.get(url).text
    asked = client.post(f"/mail/messages/{message.id}/images", data={"csrf_token": csrf_token(page)})
    page = BeautifulSoup(read(client, asked.location.partition("#")[0]), "html.parser")
    assert page.iframe["src"].endswith("/body?images=1")
    assert not page.select("[data-images-bar]")
    assert f"{ours.member.name} asked for the remote pictures" in page.get_text(" ")
    answer = client.get(page.iframe["src"])
    assert "img-src 'self' data: https: http:;" in policy_of(answer)
    assert 'src="https://spy.test/x.png"' in answer.text
    assert not BeautifulSoup(read(client, url), "html.parser").iframe["src"].endswith("images=1")


def test_an_organization_may_always_show_them(client, ours, mailbox, inside):
    with inside(ours):
        override("mail.remote_images", "always", "organization", by="test")
        db.session.commit()
    message = make_message(ours, mailbox, html=HTML)
    assert "https://spy.test/x.png" in client.get(f"/mail/messages/{message.id}/body").text


def test_a_picture_that_came_along_is_served_to_the_body(client, ours, mailbox):
    message = make_message(ours, mailbox, raw=with_inline_image())
    source = BeautifulSoup(client.get(f"/mail/messages/{message.id}/body").text, "html.parser").img["src"]
    answer = client.get(source)
    assert answer.mimetype == "image/png"
    assert "sandbox" in policy_of(answer)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("content_id", ["../../../leads/x.csv", "..", "/a//b", "a%2F..%2fb", "a?b#c"])
def test_a_picture_has_an_address_below_its_message_whatever_it_is_called(client, ours, mailbox, content_id):
    message = make_message(ours, mailbox, raw=with_inline_image(content_id=content_id))
    source = BeautifulSoup(client.get(f"/mail/messages/{message.id}/body").text, "html.parser").img["src"]
    before, last = source.rsplit("/", 1)
    assert before == f"/mail/messages/{message.id}/inline"
    assert last.strip(".")
    assert client.get(source).mimetype == "image/png"


def test_a_picture_in_a_message_opens_no_page_of_ours(client, ours, mailbox):
    message = make_message(ours, mailbox, raw=with_inline_image())
    as_picture = {"Sec-Fetch-Dest": "image"}
    for page in ("/mail/", f"/mail/messages/{message.id}/original.eml"):
        assert client.get(page, headers=as_picture).status_code == 404
    for picture in ("/static/favicon.svg", f"/mail/messages/{message.id}/inline/logo@shop.test"):
        assert client.get(picture, headers=as_picture).status_code == 200


def test_a_message_is_taken_apart_once_for_all_its_files(client, ours, mailbox, monkeypatch):
    walks, walk = [], parsing.part_tree
    monkeypatch.setattr(parsing, "part_tree", lambda *given: walks.append(1) or walk(*given))
    files = tuple((f"{number}.txt", "text/plain", bytes([number])) for number in range(5))
    message = make_message(ours, mailbox, attachments=files)
    walks.clear()
    assert client.get(f"/mail/messages/{message.id}/attachments.zip").status_code == 200
    assert len(walks) == 1
    token = form_token(client)
    client.post(f"/mail/messages/{message.id}/answer", data={"csrf_token": token, "kind": "forward"})
    assert len(walks) == 2


def test_a_message_is_taken_apart_once_for_all_its_pictures(app, client, ours, theirs, mailbox, monkeypatch):
    parts = "".join(
        f"--b\r\nContent-Type: image/png\r\nContent-ID: <p{n}@x>\r\n\r\npicture {n}\r\n" for n in range(9)
    )
    page = "".join(f'<img src="cid:p{n}@x">' for n in range(9))
    raw = (
        "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/html\r\n\r\n{page}\r\n{parts}--b--\r\n"
    ).encode()
    walks = []
    read_raw = content._raw_of
    monkeypatch.setattr(content, "_raw_of", lambda message: walks.append(1) or read_raw(message))
    message = make_message(ours, mailbox, raw=raw)
    sources = [f"/mail/messages/{message.id}/inline/p{n}@x" for n in range(9)]
    assert [client.get(one).data for one in sources] == [f"picture {n}".encode() for n in range(9)]
    assert len(walks) == 1
    stranger = sign_in(app, theirs.member)
    assert [stranger.get(one).status_code for one in sources] == [404] * 9
    closed = sign_in(app, make_member(ours.id))
    assert closed.get(sources[0]).status_code == 404


def test_a_picture_that_is_a_document_is_not(client, ours, mailbox):
    message = make_message(ours, mailbox, raw=with_inline_image("image/svg+xml"))
    assert "<img src=" not in client.get(f"/mail/messages/{message.id}/body").text
    assert client.get(f"/mail/messages/{message.id}/inline/logo@shop.test").status_code == 404


@pytest.mark.parametrize(
    ("name", "content_type", "sent_as"),
    [
        ("a.pdf", "application/pdf", "application/pdf"),
        ("a.html", "text/html", "application/octet-stream"),
        ("a.svg", "image/svg+xml", "application/octet-stream"),
        ("a.xml", "application/xml", "application/octet-stream"),
        ("../../a\u202efdp.exe", "application/x-msdownload", "application/octet-stream"),
        ("a.js", "text/javascript", "application/octet-stream"),
        ("日本 Ü.png", "image/png", "image/png"),
        ("CON", "text/plain", "text/plain"),
    ],
)
def test_an_attachment_is_saved_and_never_shown(client, ours, mailbox, name, content_type, sent_as):
    message = make_message(ours, mailbox, attachments=((name, content_type, b"content"),))
    page = BeautifulSoup(read(client, f"/mail/conversations/{message.thread_id}"), "html.parser")
    answer = client.get(page.select_one(".attachment a[download]")["href"])
    assert answer.data == b"content"
    assert answer.mimetype == sent_as
    assert policy_of(answer).endswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="')
    saved = unquote(disposition.rpartition("''")[2])
    assert not set('/\\\r\n\0"\u202e') & set(saved)


def test_an_attached_picture_is_looked_at_and_no_other_file(client, ours, mailbox, monkeypatch):
    monkeypatch.setattr("webapp.mail.presenting.LARGEST_THUMBNAIL", 5)
    files = (
        ("small.png", "image/png", b"small"),
        ("large.png", "image/png", b"larger"),
        ("a.svg", "image/svg+xml", b"<svg/>"),
        ("a.html", "text/html", b"<p>"),
    )
    message = make_message(ours, mailbox, attachments=files)
    page = BeautifulSoup(read(client, f"/mail/conversations/{message.thread_id}"), "html.parser")
    cards = page.select(".attachment")
    looked_at = [card.select_one("a[target=_blank]") for card in cards]
    assert [link is not None for link in looked_at] == [True, True, False, False]
    assert [card.select_one("img") is not None for card in cards] == [True, False, False, False]
    answer = client.get(cards[0].select_one("img")["src"], headers={"Sec-Fetch-Dest": "image"})
    assert (answer.data, answer.mimetype) == (b"small", "image/png")
    assert policy_of(answer).endswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    positions = range(1, 6)
    drawn = [client.get(f"/mail/messages/{message.id}/attachments/{n}/picture") for n in positions]
    assert {one.data for one in drawn if one.status_code == 200} == {b"small", b"larger"}


def test_a_picture_in_the_body_takes_no_large_attached_one_apart(client, ours, mailbox, monkeypatch):
    monkeypatch.setattr(content, "LARGEST_THUMBNAIL", 5)
    pictures = b"".join(
        b"--b\r\nContent-Type: image/png; name=%d.png\r\n\r\n%s\r\n" % (len(one), one)
        for one in (b"small", b"larger")
    )
    raw = with_inline_image().replace(b"--b--", pictures + b"--b--")
    message = make_message(ours, mailbox, raw=raw)
    taken = []
    monkeypatch.setattr(
        content,
        "attachment_contents",
        lambda raw, places: taken.append(len(places)) or parsing.attachment_contents(raw, places),
    )
    assert client.get(f"/mail/messages/{message.id}/inline/logo@shop.test").status_code == 200
    assert taken == [2]
    pages = [client.get(f"/mail/messages/{message.id}/attachments/{n}/picture") for n in range(6)]
    assert b"larger" in [page.data for page in pages]


def test_a_picture_of_more_pixels_than_a_browser_has_room_for_is_only_saved(client, ours, mailbox):
    side = (30_000).to_bytes(4, "big")
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + side + side
    message = make_message(ours, mailbox, attachments=(("a.png", "image/png", picture),))
    page = BeautifulSoup(read(client, f"/mail/conversations/{message.thread_id}"), "html.parser")
    answer = client.get(page.select_one(".attachment a[target=_blank]")["href"])
    assert answer.status_code == 404
    assert "too many pixels to be shown here" in answer.text
    assert client.get(page.select_one(".attachment a[download]")["href"]).data == picture


def test_all_attachments_come_in_one_archive(client, ours, mailbox):
    files = (
        ("a.txt", "text/plain", b"one"),
        ("A.TXT", "text/plain", b"two"),
        ("../b", "text/html", b"three"),
    )
    message = make_message(ours, mailbox, attachments=files, subject="My files")
    answer = client.get(f"/mail/messages/{message.id}/attachments.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"one",
            "A (2).TXT": b"two",
            "_b": b"three",
        }
    assert 'filename="My files.zip"' in answer.headers["Content-Disposition"]


def test_the_original_shows_every_header_and_the_source(client, ours, mailbox):
    raw = make_raw(headers=(("X-Odd", "<b>odd</b>"),))
    message = make_message(ours, mailbox, raw=raw)
    page = read(client, f"/mail/messages/{message.id}/original")
    assert "X-Odd" in page
    assert "&lt;b&gt;odd" in page
    answer = client.get(f"/mail/messages/{message.id}/original.eml")
    assert answer.data == raw
    assert answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_message_without_bytes_has_no_original(client, ours, mailbox):
    message = make_message(ours, mailbox, raw_id=None, has_html=True)
    assert client.get(f"/mail/messages/{message.id}/original").status_code == 404
    assert client.get(f"/mail/messages/{message.id}/body").status_code == 200


@pytest.mark.parametrize("which", ["closed", "theirs"])
def test_nothing_of_a_message_that_is_not_granted_is_there(client, ours, theirs, which):
    world = ours if which == "closed" else theirs
    readers = (ours.admin,) if which == "closed" else None
    files = (("secret.txt", "text/plain", b"secret"), ("secret.png", "image/png", b"secret"))
    message = make_message(world, make_mailbox(world, readers=readers), attachments=files, text="secret")
    pictures = [f"attachments/{position}/picture" for position in range(4)]
    for path in (
        *("body", "original", "original.eml", "attachments.zip", "attachments/1", "inline/x"),
        *pictures,
    ):
        answer = client.get(f"/mail/messages/{message.id}/{path}")
        assert answer.status_code == 404, path
        assert b"secret" not in answer.data
    token = form_token(client)
    for path in ("images", "answer", "send-again"):
        assert (
            client.post(f"/mail/messages/{message.id}/{path}", data={"csrf_token": token}).status_code == 404
        )


def test_what_a_phone_calls_inline_is_offered_as_any_other_file(client, ours, mailbox):
    bill = b"Content-Type: application/pdf; name=bill.pdf\r\nContent-Disposition: inline\r\n\r\n%PDF"
    raw = with_inline_image().replace(b"--b--", b"--b\r\n" + bill + b"\r\n--b--")
    message = make_message(ours, mailbox, raw=raw)
    page = BeautifulSoup(read(client, f"/mail/conversations/{message.thread_id}"), "html.parser")
    assert [one.get_text(strip=True) for one in page.select(".attachment-name a")] == ["bill.pdf"]
    archive = client.get(f"/mail/messages/{message.id}/attachments.zip")
    assert zipfile.ZipFile(io.BytesIO(archive.data)).namelist() == ["bill.pdf"]
