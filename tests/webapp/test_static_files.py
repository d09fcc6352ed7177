"""Style sheets and scripts: each is asked for once in its version, and none of them needs anybody else."""

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from bs4 import BeautifulSoup

from tests.factories import sign_in
from webapp.static_files import ENTRIES, SHEET, STYLES

STATIC = Path(__file__).parents[2] / "webapp" / "static"
SHEETS = sorted((STATIC / "styles").glob("*.css"))
MODULES = sorted((STATIC / "scripts").glob("*.js"))
FOR_A_YEAR = "public, max-age=31536000, immutable"
ANOTHER = "v" + "0" * 12


@pytest.fixture
def member(app, ours, theirs):
    return sign_in(app, ours.member)


@pytest.fixture
def head(member) -> BeautifulSoup:
    return BeautifulSoup(member.get("/mail/").text, "html.parser").head


def kept(client, url: str) -> str | None:
    """What a browser is told about keeping a file."""
    return client.get(url, buffered=True).headers.get("Cache-Control")


def test_what_a_page_names_is_there_and_kept_for_as_long_as_its_version_lasts(member, head):
    named = [tag.get("href") or tag["src"] for tag in head.select("link[href], script[src]")]
    assert len(named) >= 5
    assert {kept(member, url) for url in named} == {FOR_A_YEAR}


@pytest.mark.parametrize("name", ["scripts/start.js", SHEET])
@pytest.mark.parametrize("place", ["/static/", f"/static/{ANOTHER}/"])
def test_what_is_asked_for_in_no_version_or_another_is_asked_about_again(member, place, name):
    answer = member.get(place + name, buffered=True)
    assert answer.headers["Cache-Control"] == "no-cache"
    asked_again = member.get(place + name, headers={"If-None-Match": answer.headers["ETag"]})
    assert asked_again.status_code == 304


def test_what_is_not_there_is_not_kept(member, head):
    script = head.select_one("script[src]")["src"]
    assert "public" not in (kept(member, urljoin(script, "nothing.js")) or "")


def test_a_page_names_at_once_every_module_that_it_will_need(head):
    named = {tag["href"] for tag in head.select("link[rel=modulepreload]")}
    entries = {tag["src"] for tag in head.select("script[type=module]")}
    needed = {urljoin(entry, f"./{module.name}") for entry in entries for module in MODULES}
    assert named | entries == needed
    assert {Path(entry).name for entry in entries} == set(ENTRIES)


def test_what_a_page_names_carries_the_nonce_that_its_policy_asks_of_scripts(head):
    assert all(tag.get("nonce") for tag in head.select("script, link[rel=modulepreload]"))


def test_every_style_sheet_is_of_pages_or_of_the_frames_of_messages(member, head):
    assert sorted([*STYLES, "message"]) == [sheet.stem for sheet in SHEETS]
    (link,) = head.select("link[rel=stylesheet]")
    drawn = member.get(link["href"]).text
    places = [drawn.index((STATIC / "styles" / f"{name}.css").read_text()) for name in STYLES]
    assert places == sorted(places)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_takes_nothing_from_elsewhere(sheet):
    assert not re.search(r"@import|url\(", sheet.read_text())
