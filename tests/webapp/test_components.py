"""The look, without the product: every component and mock page of the gallery."""

import re

import pytest
from bs4 import BeautifulSoup, Tag

from tests.webapp.critic import criticise
from tests.webapp.gallery import NONCE, PAGES, WEBAPP, gallery_app
from tests.webapp.gallery import TEMPLATES as GALLERY

TEMPLATES = sorted([*(WEBAPP / "templates").rglob("*.html"), *GALLERY.rglob("*.html")])
COMPONENTS = sorted((WEBAPP / "templates" / "components").glob("[!_]*.html"))
BASE = (WEBAPP / "static" / "styles" / "base.css").read_text()

# Text on its ground: WCAG 2.2 AA asks for 4.5; the last ones are lines of controls, 3.
PAIRS = [
    *(
        (text, ground, 4.5)
        for text in ("text", "muted")
        for ground in ("canvas", "surface", "hover", "sunken")
    ),
    *(("text", ground, 4.5) for ground in ("chosen", "ours", "note", "accent-soft", "bad-soft", "warn-soft")),
    *(("muted", ground, 4.5) for ground in ("chosen", "ours", "note")),
    *(("accent", ground, 4.5) for ground in ("surface", "canvas", "accent-soft", "chosen")),
    *((tone, f"{tone}-soft", 4.5) for tone in ("ok", "warn", "bad")),
    *((tone, "surface", 4.5) for tone in ("ok", "warn", "bad")),
    ("note-text", "note", 4.5),
    ("on-accent", "accent-fill", 4.5),
    ("second", "surface", 3),  # bars of charts
    ("on-accent", "accent-fill-hover", 4.5),
    ("on-accent", "bad-fill", 4.5),
    ("line-strong", "surface", 3),
    ("line-strong", "canvas", 3),
    ("focus", "surface", 3),
    ("focus", "canvas", 3),
]


@pytest.fixture(scope="module")
def client():
    return gallery_app().test_client()


@pytest.fixture(scope="module")
def index(client) -> BeautifulSoup:
    return BeautifulSoup(client.get("/").text, "html5lib")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_the_gallery_satisfies_the_critic(client, path):
    criticise(client.get(path).text, path)


@pytest.mark.parametrize("path", PAGES)
def test_every_script_carries_the_nonce_of_the_answer(client, path):
    scripts = BeautifulSoup(client.get(path).text, "html5lib").find_all("script")
    assert {script["nonce"] for script in scripts} == {NONCE}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(WEBAPP.parent)))
def test_no_template_has_an_inline_handler_style_or_script_without_nonce(template):
    source = _markup_of(template.read_text())
    assert not re.search(r"\s(style|on[a-z]+)\s*=\s*[\"']", source), "use a class, or static/scripts"
    scripts = re.findall(r"<(?:script|style)\b[^>]*>", template.read_text())
    assert all("nonce" in script for script in scripts), "add nonce=, or move it into static/"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(WEBAPP.parent)))
def test_conditional_attributes_do_not_grow_together(template):
    source = template.read_text()
    for match in re.finditer(r"\{%-? endif %\}[ \t]*\n[ \t]*\{%-? if", source):
        before = _markup_of(source[: match.start()])
        inside_a_tag = before.rfind("<") > before.rfind(">")
        line = source.count("\n", 0, match.start()) + 2
        assert not inside_a_tag, f'line {line}: write {{{{ {{"name": value if …}}|xmlattr }}}} instead'


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(WEBAPP.parent)))
def test_every_icon_named_in_a_template_is_in_the_sprite(template):
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (WEBAPP / "static" / "icons.svg").read_text()))
    named = set(re.findall(r'\bicon(?:_name)?[(=:]\s*"([a-z0-9-]+)"', template.read_text()))
    assert named <= sprite, f"not in icons.svg: {sorted(named - sprite)}"


def test_every_icon_shown_in_the_gallery_is_in_the_sprite(client):
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (WEBAPP / "static" / "icons.svg").read_text()))
    shown = {name for path in PAGES for name in re.findall(r"icons\.svg#([^\"]+)", client.get(path).text)}
    assert shown <= sprite


def test_every_component_is_in_the_overview():
    overview = (WEBAPP / "templates" / "components" / "README.md").read_text()
    macros = {name for file in COMPONENTS for name in re.findall(r"\{% macro ([a-z]\w*)\(", file.read_text())}
    missing = {name for name in macros if f"{name}(" not in overview and f"`{name}`" not in overview}
    assert not missing, f"components/README.md says nothing about {sorted(missing)}"


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda path: path.stem)
def test_every_component_has_a_comment_that_says_what_it_is_for(file):
    source = file.read_text()
    comments = " ".join(re.findall(r"\{#.*?#\}", source, flags=re.DOTALL))
    missing = [name for name in re.findall(r"\{% macro ([a-z]\w*)\(", source) if name not in comments]
    assert not missing


def test_a_field_is_tied_to_its_help_and_its_errors(index):
    name = _one(index, "#name")
    assert str(name["aria-describedby"]).split() == ["name-help", "name-errors"]
    assert name["aria-invalid"] == "true"
    assert _one(index, "#name-errors").get_text(strip=True) == "Give the rule a name"


def test_the_summary_of_errors_links_to_each_field_even_in_rows(index):
    links = [link["href"] for link in index.select(".error-summary a")]
    assert links == ["#name", "#conditions-1-value"]


def test_an_option_that_cannot_be_chosen_says_why(index):
    lead = _one(index, "input[name=processing][value=lead]")
    assert lead.has_attr("disabled")
    assert "sales channel" in _one(index, f"#{lead['aria-describedby']}").get_text()


def test_an_inherited_setting_says_its_effective_value_and_source(client):
    page = BeautifulSoup(client.get("/configuration").text, "html5lib")
    interval = _one(page, "#setting-interval").get_text(" ", strip=True)
    assert re.search(r"Effective: 30 s · Northwind Outdoor · set by Mara Lindqvist", interval)
    assert _one(page, "#setting-is_enabled [data-setting-inherits]").has_attr("checked")


def test_a_locked_setting_cannot_be_changed_and_says_why(client):
    page = BeautifulSoup(client.get("/configuration").text, "html5lib")
    assert _one(page, "#size").has_attr("disabled")
    assert page.select_one("#setting-size [data-setting-inherits]") is None
    assert "Set for all organizations" in _one(page, "#setting-size .setting-lock").get_text()


def test_a_note_is_told_from_a_message_by_icon_and_word(client):
    page = BeautifulSoup(client.get("/conversation").text, "html5lib")
    note = _one(page, ".message-note")
    assert "Note" in _one(note, ".badge").get_text()
    assert note.select_one(".note-mark use") is not None


def test_the_error_page_shows_status_words_and_the_number_to_tell(client):
    page = BeautifulSoup(client.get("/error").text, "html5lib")
    assert _one(page, "h1").get_text(strip=True) == "Our mistake"
    assert _one(page, ".error-status").get_text(strip=True) == "500"
    assert "019a7c1e" in _one(page, "code").get_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_on_every_ground(theme):
    colours = _colours(theme)
    weak = {
        f"--{text} on --{ground}": round(_contrast(colours[text], colours[ground]), 2)
        for text, ground, least in PAIRS
        if _contrast(colours[text], colours[ground]) < least
    }
    assert not weak, f"raise the contrast of {weak} in base.css"


def _markup_of(source: str) -> str:
    return re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)


def _one(root: BeautifulSoup | Tag, selector: str) -> Tag:
    found = root.select_one(selector)
    assert found is not None, f"nothing matches {selector}"
    return found


def _colours(theme: str) -> dict[str, str]:
    both = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", BASE)
    plain = re.findall(r"--([\w-]+): (#\w{6});", BASE)
    return dict(plain) | {name: light if theme == "light" else dark for name, light, dark in both}


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2: contrast ratio of two colours `#rrggbb`."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
