"""Every page is looked at: the list of pages that tests and pictures go through has them all."""

from uuid import uuid4

import pytest
from werkzeug.exceptions import NotFound

from tests.architecture.test_routes import APP, RULES
from tests.webapp.pages import NO_PAGES, PAGES

READ = {rule.endpoint for rule in RULES if "GET" in rule.methods}


class AnyId(dict):
    """Ids for the words in braces."""

    def __missing__(self, name):
        return f"{uuid4()}/{'x' * 43}" if name == "invitation" else uuid4()


def endpoint_of(path):
    address = path.partition("?")[0].format_map(AnyId())
    return APP.url_map.bind("localhost").match(address, method="GET")[0]


def looked_at():
    paths = [path for paths in PAGES.values() for path in paths if path != "/no-such-page"]
    return {endpoint_of(path) for path in paths}


def test_every_page_is_in_the_list():
    missing = READ - looked_at() - NO_PAGES
    assert not missing, (
        f"add {sorted(missing)} to PAGES of tests/webapp/pages.py, or say that they are no pages"
    )


def test_what_is_called_no_page_is_there_and_not_looked_at():
    assert READ >= NO_PAGES
    assert not NO_PAGES & looked_at()


def test_an_error_is_looked_at_too():
    with pytest.raises(NotFound):
        endpoint_of("/no-such-page")
