"""The critic of pages sees what it is there to see."""

import pytest

from tests.webapp.critic import criticise

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Cases</title></head><body>
<a class="skip" href="#main">Skip</a><header>Postroom</header><main id="main"><h1>Cases</h1>{}</main>
</body></html>"""

FAULTS = {
    "Mend the HTML": "<p>closed twice</p></b>",
    "its own id": '<p id="a">1</p><p id="a">2</p>',
    "Give a label": '<input name="q">',
    "Say in words": '<a href="/x"><svg></svg></a>',
    "a type": "<button>Go</button>",
    "an action": '<form><button type="submit">Go</button></form>',
    "hidden_tag": '<form action="/x" method="post"></form>',
    "into addresses": '<form action="/x"><input type="hidden" name="csrf_token" value="1"></form>',
    "Never send a password": '<input type="password" aria-label="P" name="p" value="secret">',
    "nonce": "<script>1</script>",
    "instead of style=": '<p style="color:red">x</p>',
    "instead of onclick=": '<p onclick="x()">x</p>',
    "leads somewhere": '<a href="javascript:x()">x</a>',
    "no other host": '<img alt="" src="https://cdn.example/x.png">',
    "Describe the picture": '<img src="/x.png">',
    "a sandbox": '<iframe src="/m" title="Message"></iframe>',
    "No scripts": '<iframe src="/m" title="M" sandbox="allow-scripts"></iframe>',
    "names no element": '<input aria-label="Q" aria-describedby="gone">',
    "headings with a scope": "<table><caption>T</caption><tbody><tr><td>1</td></tr></tbody></table>",
    "a caption": '<table><tbody><tr><th scope="row">1</th></tr></tbody></table>',
    "instead of 'None'": "<p>None</p>",
    "exactly one h1": "<h1>Again</h1>",
    "several <nav>": '<nav aria-label="Main"></nav><nav></nav>',
}


def test_a_good_page_passes():
    criticise(PAGE.format('<p>Nothing <b>to</b> say.</p><img src="/x.png" alt="">'), "/cases")


def test_a_part_of_a_page_needs_no_title_and_no_h1():
    criticise("<li><a href='/cases/1'>Torn seam</a></li>", "/cases?part=list")


@pytest.mark.parametrize(("sentence", "body"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_named_with_its_address(sentence, body):
    with pytest.raises(AssertionError, match="/cases has 1 fault") as raised:
        criticise(PAGE.format(body), "/cases")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("valid", "invalid"),
    [
        ("<p>Fish &amp; chips</p>", "<p>Fish &chips; chips</p>"),
        ('<p id="a">Fish</p>', '<p id="a" id="b">Fish</p>'),
        ("<p>Fish</p>", "<p>Fi\x01sh</p>"),
        ("<p>Fish</p>", "<section><p>Fish</p>"),
        ("<p>Fish</p>", "<p>Fish</p></section>"),
        ("<p>Fish</p>", "<p>Fish</p></main>"),
        ("<p>Fish</p>", "<main><p>Fish</p>"),
        ('<p title="Fish">Fish</p>', '<p title="Fish"title="">Fish</p>'),
        ('<p title="Fish">Fish</p>', '<p title="&chips;">Fish</p>'),
    ],
)
def test_what_was_valid_once_hides_no_fault_of_another(valid, invalid):
    criticise(PAGE.format(valid), "/cases")
    criticise(PAGE.format(valid.replace("Fish", "Soup")), "/cases")
    with pytest.raises(AssertionError, match="Mend the HTML"):
        criticise(PAGE.format(invalid), "/cases")


@pytest.mark.parametrize(
    ("sentence", "before", "after"),
    [
        ("Fill {% block title %}", "<title>Cases</title>", "<title></title>"),
        ("language", ' lang="en"', ""),
        ("exactly one <main>", '<main id="main">', '<main id="main"></main><main>'),
        ("<header>", "<header>Postroom</header>", ""),
        ("skips to #main", 'class="skip" ', ""),
    ],
)
def test_a_page_without_its_frame_is_refused(sentence, before, after):
    with pytest.raises(AssertionError) as raised:
        criticise(PAGE.format("").replace(before, after), "/cases")
    assert sentence in str(raised.value)
