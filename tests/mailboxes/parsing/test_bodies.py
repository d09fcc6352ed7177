"""Text, page and attachments out of the tree of parts."""

import base64

import pytest

from mailboxes.parsing import DEFAULT, attachment_contents, headers_of, page_of, parse
from mailboxes.parsing.html_text import text_of_html
from mailboxes.parsing.parts import part_tree
from mailboxes.parsing.values import Defects
from mailboxes.sanitizing import sanitize


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    bodies = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"From: a@b.c\r\nContent-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + bodies + b"--b--\r\n"


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nplain"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>page</p>"
PDF = (
    b'Content-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.b64encode(b"%PDF-1.4")
)
MESSAGE = b"Content-Type: message/rfc822\r\n\r\nFrom: x@y.z\r\nSubject: inner\r\n\r\ninner text"


def test_of_alternatives_text_and_page_are_both_kept():
    parsed = parse(multipart(PLAIN, HTML, kind=b"alternative"))
    assert (parsed.text, parsed.html, parsed.attachments) == ("plain", "<p>page</p>", ())


def test_a_page_with_a_name_is_an_alternative_and_one_for_other_programs_is_none():
    named = HTML.replace(b"charset=utf-8", b"charset=utf-8; name=message.html")
    amp = b"Content-Type: text/x-amp-html\r\n\r\n<html amp4email>page</html>"
    parsed = parse(multipart(PLAIN, amp, named, kind=b"alternative"))
    assert (parsed.text, parsed.html, parsed.attachments) == ("plain", "<p>page</p>", ())
    assert [one.filename for one in parse(multipart(PLAIN, named)).attachments] == ["message.html"]


@pytest.mark.parametrize(
    "raw",
    [
        multipart(PLAIN, HTML, kind=b"alternative"),
        multipart(PLAIN, HTML),
        multipart(PDF, HTML.replace(b"charset=utf-8", b"name=message.html")),
        multipart(HTML, MESSAGE),
        HTML,
        PLAIN,
    ],
)
def test_the_page_alone_is_that_of_the_whole_message(raw):
    assert page_of(raw) == parse(raw).html
    assert headers_of(raw) == parse(raw).headers


def test_a_text_with_a_name_is_the_text_where_there_is_no_other():
    named = PLAIN.replace(b"charset=utf-8", b"charset=utf-8; name=message.txt")
    picture = b"Content-Type: image/png; name=a.png\r\n\r\nx"
    parsed = parse(multipart(picture, named))
    assert (parsed.text, [one.filename for one in parsed.attachments]) == ("plain", ["a.png", "message.txt"])
    saved = named.replace(b"\r\n\r\n", b"\r\nContent-Disposition: attachment\r\n\r\n")
    assert parse(multipart(picture, saved)).text == ""


def test_a_text_that_only_asks_for_html_is_not_what_was_written():
    asking = b"Content-Type: text/plain\r\n\r\nPlease show HTML."
    page = b"Content-Type: text/html\r\n\r\n<p>Where is my order 4711? It was to come on Monday.</p>"
    assert parse(multipart(asking, page, kind=b"alternative")).text.startswith("Where is my order 4711?")
    assert parse(multipart(asking, HTML, kind=b"alternative")).text == "Please show HTML."
    dot = b"Content-Type: text/plain\r\n\r\n."
    assert parse(multipart(dot, page, kind=b"alternative")).text.startswith("Where is my order 4711?")
    thumb = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>\xf0\x9f\x91\x8d</p>"
    assert parse(multipart(dot, thumb, kind=b"alternative")).text == "."
    assert parse(asking).text == "Please show HTML."
    empty = b"Content-Type: text/html\r\n\r\n<img src=x>"
    assert parse(multipart(asking, empty, kind=b"alternative")).text == "Please show HTML."


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (b"margin: 0 0 0 40px; border: none; padding: 0px", "a\nb\n\nc"),
        (b"border:none;border-left:solid #CCC 1.0pt", "a\n> b\n\nc"),
        (b"margin-left: 4ex", "a\n> b\n\nc"),
    ],
)
def test_what_is_only_indented_is_not_quoted(style, text):
    html = b'Content-Type: text/html\n\n<div>a</div><blockquote style="%s">b</blockquote><div>c</div>'
    assert parse(html % style).text == text


def test_without_plain_text_the_text_is_made_from_the_page():
    parsed = parse(multipart(HTML))
    assert (parsed.text, parsed.is_text_from_html) == ("page", True)


def test_a_plain_footer_below_a_page_stands_in_both():
    parsed = parse(multipart(HTML, PLAIN))
    assert parsed.text == "page\nplain"
    assert parsed.html is not None
    assert "plain" in parsed.html


def test_an_attachment_is_listed_and_given_back():
    raw = multipart(PLAIN, PDF)
    (attachment,) = parse(raw).attachments
    assert (attachment.filename, attachment.content_type, attachment.size) == ("a.pdf", "application/pdf", 8)
    assert list(attachment_contents(raw, [attachment.position])) == [b"%PDF-1.4"]


def test_there_is_no_content_where_there_is_no_attachment():
    with pytest.raises(IndexError):
        attachment_contents(multipart(PLAIN), [7])


def test_an_inline_image_has_its_content_id():
    image = b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\nPNG"
    (attachment,) = parse(multipart(HTML, image, kind=b"related")).attachments
    assert (attachment.content_id, attachment.is_inline) == ("logo@x", True)


@pytest.mark.parametrize(
    ("page", "headers", "is_embedded"),
    [
        (b'<img src="cid:logo@x">', b"image/png\r\nContent-ID: <logo@x>", True),
        (b"<img alt=a SRC = CID:logo%40x>", b"image/png\r\nContent-ID: <logo@x>", True),
        (b"<img src='cid:logo@x'>", b"image/svg+xml\r\nContent-ID: <logo@x>", False),
        (b"see cid:logo@x", b"image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline", False),
        (b"<p><b>x<img src=cid:logo@x></table>", b"image/png\r\nContent-ID: <logo@x>", True),
        (b"<!-- <img src=cid:logo@x> -->", b"image/png\r\nContent-ID: <logo@x>", False),
        (b"<img src=cid:%3Clogo@x%3E>", b"image/png\r\nContent-ID: <logo@x>", False),
        (b"write src=cid:logo@x", b"image/png\r\nContent-ID: <logo@x>", False),
        (b"<img data-src=cid:logo@x>", b"image/png\r\nContent-ID: <logo@x>", False),
        (b"<noscript><img src=cid:logo@x></noscript>", b"image/png\r\nContent-ID: <logo@x>", False),
        (b"<video src=cid:logo@x></video>", b"image/png\r\nContent-ID: <logo@x>", False),
        (
            b"<img src=cid:logo@x>",
            b"image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: attachment",
            False,
        ),
        (b"<img src=cid:other>", b"application/pdf; name=a.pdf\r\nContent-Disposition: inline", False),
    ],
)
def test_only_what_the_page_draws_is_embedded_whatever_its_sender_calls_inline(page, headers, is_embedded):
    html = b"Content-Type: text/html\r\n\r\n" + page
    parsed = parse(multipart(html, b"Content-Type: " + headers + b"\r\n\r\ncontent", kind=b"related"))
    (attachment,) = parsed.attachments
    assert (attachment.is_embedded, parsed.offered_count) == (is_embedded, int(not is_embedded))


@pytest.mark.parametrize("page", ["x" * 1_000_001, "<div>" * 300], ids=["cut", "too much"])
def test_a_picture_of_a_page_that_is_not_drawn_to_its_end_is_offered(page):
    html = b"Content-Type: text/html\r\n\r\n" + page.encode() + b"<img src='cid:logo@x'>"
    image = b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\nPNG"
    parsed = parse(multipart(html, image, kind=b"related"))
    assert parsed.offered_count == 1
    assert sanitize(parsed.html, cid_url=lambda _: "/picture").html.count("/picture") == 0


def test_a_text_that_is_attached_is_no_text_of_the_message():
    attached = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=n.txt\r\n\r\nnotes"
    parsed = parse(multipart(PLAIN, attached))
    assert parsed.text == "plain"
    assert [attachment.filename for attachment in parsed.attachments] == ["n.txt"]


def test_an_attached_message_is_one_attachment_and_its_text_follows():
    parsed = parse(multipart(PLAIN, MESSAGE))
    assert [attachment.filename for attachment in parsed.attachments] == ["inner.eml"]
    assert parsed.own_text == "plain"
    assert "inner text" in parsed.text


def test_a_multipart_without_parts_is_read_as_text():
    parsed = parse(b"Content-Type: multipart/mixed; boundary=b\n\nthis is all\n")
    assert (parsed.text, parsed.attachments) == ("this is all\n", ())
    assert "boundary-not-found" in parsed.defects


@pytest.mark.parametrize("declared", [b"boundary=other", b"charset=utf-8"])
def test_a_wrong_or_missing_boundary_is_guessed(declared):
    parsed = parse(multipart(PLAIN, PDF).replace(b"boundary=b", declared))
    assert parsed.text == "plain"
    assert [attachment.filename for attachment in parsed.attachments] == ["a.pdf"]


def test_a_missing_closing_boundary_loses_nothing():
    raw = multipart(PLAIN, PDF).removesuffix(b"--b--\r\n")
    assert len(parse(raw).attachments) == 1


def test_a_part_that_has_the_boundary_of_what_is_around_it_hides_nothing_behind_it():
    inner = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + PLAIN + b"\r\n--b--\r\n"
    parsed = parse(multipart(inner, PDF))
    assert parsed.text == "plain"
    assert [attachment.filename for attachment in parsed.attachments] == ["a.pdf"]
    below = parse(multipart(PLAIN) + b"\r\nSomebody quotes:\r\n--b\r\nnothing\r\n")
    assert below.text == "plain"


def test_a_boundary_that_begins_another_is_not_confused_with_it():
    inner = b"Content-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n" + PLAIN + b"\r\n--bb--"
    assert parse(multipart(inner, PDF)).text == "plain"
    assert len(parse(multipart(inner, PDF)).attachments) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        (b"base64", b"aGVsbG8=", b"hello"),
        (b"base64", b"aGVs bG8", b"hello"),
        (b"base64", b"aGVsbG8", b"hello"),
        (b"base64", b"aGVs!!bG8=", b"hello"),
        (b"BASE64 (really)", b"aGVsbG8=\r\n-- \r\nlist footer", b"hello"),
        (b"base64", b"aGVs\r\nbG8=\r\nd29ybGQ=", b"helloworld"),
        (b"base64", b"aGVsbG8gYWxsIQ==\r\n", b"hello all!"),
        (b"base64", b"aGVsbG8gYWxs\r\n" + b"\r\nYou get this from a list, dear all. " * 3, b"hello all"),
        (b"quoted-printable", b"h=65llo =\r\nworld", b"hello world"),
        (b"quoted-printable", b"100=% h=C3=", b"100=% h\xc3"),
        (b"quoted-printable", b"padded =  \r\nand =\t\nso", b"padded and so"),
        (b"quoted-printable", b"old =\rMac\nline", b"old Mac\nline"),
        (b"7bit", b"hello", b"hello"),
        (b"", b"hello", b"hello"),
        (b"x-unknown", b"hello", b"hello"),
        (b"x-uuencode", b"begin 644 f\r\n%:&5L;&\\\r\n`\r\nend", b"hello"),
    ],
)
def test_transfer_encodings_are_undone_as_far_as_they_can(encoding, body, content):
    raw = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    assert part_tree(raw, DEFAULT, Defects()).content() == content


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("utf-8", "Grüße".encode(), "Grüße"),
        ("iso-8859-1", "Grüße €".encode("cp1252"), "Grüße €"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("utf-8", "Grüße".encode("latin-1"), "Grüße"),
        ("us-ascii", "Schöne Grüße – „hallo“ € 5".encode("cp1252"), "Schöne Grüße – „hallo“ € 5"),
        (
            "",
            "Reçu, merci. Où est-elle ? Déjà payée.".encode("cp1252"),
            "Reçu, merci. Où est-elle ? Déjà payée.",
        ),
        (
            "",
            "È rotto, però è qui. Così non va più, città".encode("cp1252"),
            "È rotto, però è qui. Così non va più, città",
        ),
        (
            "",
            "Zboží nefunguje, prosím o výměnu. Jiří Dvořák".encode("cp1250"),
            "Zboží nefunguje, prosím o výměnu. Jiří Dvořák",
        ),
        ("", "Здравствуйте! Где мой заказ?".encode("koi8-r"), "Здравствуйте! Где мой заказ?"),
        ("iso-8859-1", "Schöne Grüße".encode(), "Schöne Grüße"),
        ("windows-1252", "– „ja“".encode(), "– „ja“"),
        ("", "Grüße".encode(), "Grüße"),
        ("x-no-such-charset", "Grüße".encode("latin-1"), "Grüße"),
        ("gb2312", "你好".encode("gb18030"), "你好"),
        ("iso-2022-jp", b"\x1b$B-!-j8!\x1b(B \x1b(I1\x1b(B", "①㈱検 ｱ"),
        ("x-mac-japanese", "日本".encode("cp932"), "日本"),
        ("ks_c_5601-1987", "안녕".encode("cp949"), "안녕"),
        ("iso-2022-jp", "日本語".encode("iso2022_jp"), "日本語"),
        ("shift_jis", "日本語".encode("cp932"), "日本語"),
        ("utf-16", "Grüße".encode("utf-16-be"), "Grüße"),
        ("utf-16", "Grüße".encode("utf-16-le"), "Grüße"),
        ("utf-16", "Grüße".encode("utf-16"), "Grüße"),
        ("koi8-r", "Привет".encode("koi8-r"), "Привет"),
        ("utf-7", b"Hi +AKM-", "Hi £"),
        ("windows-1251", "Привет".encode("cp1251"), "Привет"),
        ("'utf8'", "Grüße".encode(), "Grüße"),
        ("idna", "Grüße".encode(), "Grüße"),
        ("zlib", b"plain", "plain"),
    ],
)
def test_charsets_are_decoded_whatever_they_are_called(charset, body, text):
    raw = f"Content-Type: text/plain; charset={charset}\n\n".encode() + body
    assert parse(raw).text == text


def test_flowed_text_is_joined_again():
    raw = b"Content-Type: text/plain; format=flowed; delsp=yes\n\nlong \nline\n > quoted\n-- \nAda"
    assert parse(raw).text == "longline\n> quoted\n-- \nAda"


def test_reports_of_a_bounce_are_kept_for_the_classifier():
    status = b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@y.z"
    parsed = parse(multipart(PLAIN, status, MESSAGE, kind=b"report; report-type=delivery-status"))
    assert parsed.reports == ("Final-Recipient: rfc822; x@y.z",)
    assert "Subject: inner" in parsed.returned_headers


def test_methods_of_calendars_are_found():
    calendar = b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR"
    assert parse(multipart(PLAIN, calendar)).calendar_methods == ("REQUEST",)


def test_message_ids_are_given_without_brackets():
    raw = b"Message-ID:  <a@b> \nIn-Reply-To: Your mail <c@d>\nReferences: <e@f>\n\t<c@d> <c@d>\n\nx"
    parsed = parse(raw)
    assert (parsed.message_id, parsed.in_reply_to, parsed.references) == ("a@b", "c@d", ("e@f", "c@d"))


def test_a_comment_in_a_message_id_is_none_of_it():
    parsed = parse(
        b"Message-ID: <1234   @   local(blah)  .machine .example>\nIn-Reply-To: <(c) a@b (\xc3\xa4)>\n\nx"
    )
    assert (parsed.message_id, parsed.in_reply_to) == ("1234@local.machine.example", "a@b")


@pytest.mark.parametrize("written", ["msg(1)@h", "(1)msg@h", "msg@h(ä)"])
def test_brackets_without_white_space_beside_them_tell_one_message_id_from_another(written):
    assert parse(f"Message-ID: <{written}>\n\nx".encode()).message_id == written


@pytest.mark.parametrize("value", [b"", b"<>", b"   "])
def test_an_empty_message_id_is_none(value):
    assert parse(b"Message-ID: " + value + b"\n\nx").message_id is None


def test_a_page_is_read_as_text_with_its_quotations():
    html = "<p>Yes.</p><blockquote>Will you<br>come?</blockquote><ul><li>one<li>two</ul>"
    text = parse(b"Content-Type: text/html\n\n" + html.encode()).text
    assert text == "Yes.\n\n> Will you\n> come?\n\n* one\n* two"


@pytest.mark.parametrize(
    "style",
    [
        b'"color:red; DISPLAY : none"',
        b"display:none",
        b'"dis&#112;lay:none"',
        b"dis&#112;lay:&#32;none",
        b"'>;display&colon;none'",
        b'"display:block; display:none !important"',
        b"\"font:1px 'A;B'; background: url('x;y') rgb(1, 2, 3); display:none\"",
    ],
)
def test_an_element_is_hidden_however_that_is_written(style):
    html = b"<p>seen</p><p Style = %s>hidden <b>too</b></p><p>seen</p>" % style
    assert parse(b"Content-Type: text/html\n\n" + html).text == "seen\n\nseen"


@pytest.mark.parametrize(
    "style",
    [
        *("mso-hide:all", "display:none; display:block", "x-display:none", "--display:none"),
        *("display:none x", "display:none;x:url(a');display:block;x:url(')"),
        *("color:red;}*{display:none}", "font-family:';display:none;'", "background:url(x;display:none;y)"),
        "color:red;" * 400 + "display:none",
    ],
)
def test_what_browsers_show_is_read_whatever_its_style_says_to_others(style):
    html = f'<p>seen</p><p style="{style}">seen, too</p>'
    assert text_of_html(html, 10_000) == "seen\n\nseen, too"


def test_words_of_fields_and_buttons_stand_apart():
    html = "<label>Name</label><textarea>Ada <b></textarea><button>Send</button>"
    assert text_of_html(html, 1_000) == "Name\nAda <b>\nSend"
    assert "Ada &lt;b&gt;" in sanitize(html).html


def test_white_space_of_a_page_is_one_blank_and_none_at_line_ends():
    html = "<p> a  b\n\tc\u00a0</p>\n<ul>\n <li>d \x0b e</li></ul><pre>f \n  g</pre>"
    parsed = parse(b"Content-Type: text/html; charset=utf-8\n\n" + html.encode())
    assert parsed.text == "a b c\n\n* d e\n\nf\n  g"


def test_hidden_and_active_elements_are_no_text():
    html = b"<style>p{}</style><script>x</script><p style='display: none'>hidden</p><p>seen</p>"
    assert parse(b"Content-Type: text/html\n\n" + html).text == "seen"


FILE = "begin 644 cat.txt\n#0V%T\n`\nend\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r\r\n"])
def test_files_that_are_uuencoded_in_a_text_are_attachments(line_end):
    inside = (
        f"Content-Type: text/plain; charset=utf-8\n\nSee ä:\n\n{FILE}\nand\n{FILE.replace('cat', 'dog')}bye"
    )
    raw = multipart(inside.replace("\n", line_end).encode(), PDF)
    parsed = parse(raw)
    assert parsed.text.split() == ["See", "ä:", "and", "bye"]
    names = [one.filename for one in parsed.attachments]
    contents = attachment_contents(raw, [one.position for one in parsed.attachments])
    assert dict(zip(names, contents, strict=True)) == {
        "cat.txt": b"Cat",
        "dog.txt": b"Cat",
        "a.pdf": b"%PDF-1.4",
    }


def test_a_position_that_was_stored_before_files_were_taken_out_of_texts_names_the_same_part():
    raw = multipart(b"Content-Type: text/plain\r\n\r\n" + FILE.encode(), PDF, PLAIN, PDF)
    assert [(one.position, one.filename) for one in parse(raw).attachments] == [
        (1, "a.pdf"),
        (3, "a.pdf"),
        (4, "cat.txt"),
    ]
    assert list(attachment_contents(raw, [1, 3, 4])) == [b"%PDF-1.4"] * 2 + [b"Cat"]


def test_the_only_alternative_may_begin_with_a_file():
    text = b"Content-Type: text/plain\r\n\r\n" + FILE.encode() + b"Here it is."
    assert parse(multipart(text, kind=b"alternative")).text.strip() == "Here it is."


def test_blanks_that_were_stripped_from_a_uuencoded_file_are_part_of_it():
    first = "M" + "0V%T" * 15
    raw = f"Subject: x\n\nbegin 644 cat.bin\n{first}\nM0V%T\nM\n`\nend\n".encode()
    (attachment,) = parse(raw).attachments
    assert list(attachment_contents(raw, [attachment.position])) == [b"Cat" * 16 + bytes(87)]


@pytest.mark.parametrize(
    "text",
    [
        "begin 644 cat.txt\n#0V%T\n`\n",
        "begin 644 cat.txt\nM0V%T\nend\n",
        "begin 644 cat.txt\nend\n",
        "begin 644 days\nA LONG WAY\nend",
        "> " + FILE.replace("\n", "\n> "),
    ],
    ids=["no end", "short line", "empty", "words", "quoted"],
)
def test_what_only_looks_uuencoded_stays_in_the_text(text):
    parsed = parse(b"Subject: x\n\n" + text.encode())
    assert (parsed.text.strip(), parsed.attachments) == (text.strip(), ())


@pytest.mark.parametrize(
    ("kind", "is_text"), [("text/x-foo", True), ("text/markdown", True), ("text/calendar", False)]
)
def test_a_whole_message_of_an_unknown_text_is_plain(kind, is_text):
    parsed = parse(f"Content-Type: {kind}\n\nHi there".encode())
    assert (parsed.text == "Hi there", not parsed.attachments) == (is_text, is_text)
