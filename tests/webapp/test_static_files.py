"""Style sheets and scripts: a browser asks once for each in its version."""

import pytest
from bs4 import BeautifulSoup

from tests.factories import sign_in


@pytest.fixture
def member(app, ours, theirs):
    return sign_in(app, ours.member)


def kept(client, url):
    """What a browser is told about keeping a file."""
    return client.get(url, buffered=True).headers.get("Cache-Control")


def test_what_a_page_names_is_kept_for_as_long_as_its_version_lasts(member):
    head = BeautifulSoup(member.get("/mail/").text, "html.parser").head
    named = [tag.get("href") or tag["src"] for tag in head.select("link[href], script[src]")]
    assert len(named) >= 5
    assert {kept(member, url) for url in named} == {"public, max-age=31536000, immutable"}


@pytest.mark.parametrize("version", ["", "?v=of-another-day"])
def test_what_is_asked_for_in_no_version_or_another_is_asked_about_again(member, version):
    assert kept(member, f"/static/postroom.js{version}") == "no-cache"


def test_what_is_not_there_is_not_kept(app, member):
    version = app.jinja_env.globals["static_version"]
    assert "public" not in (kept(member, f"/static/nothing.js?v={version}") or "")
