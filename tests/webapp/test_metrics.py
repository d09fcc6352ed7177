"""Metrics: figures for machines that know the token, and nothing of any organization."""

import dataclasses
import re
from pathlib import Path

import pytest

from mailboxes.metrics import metrics
from tenants.database import inside
from tenants.settings import Settings, SettingsError
from tests.factories import make_mailbox, make_message
from tests.mailboxes.arriving import arrive, letter
from workers import queues

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-more-than-twenty-characters"


@pytest.fixture
def asking(app):
    """Ask as a machine that sends a token."""
    app.config["POSTROOM"] = dataclasses.replace(app.config["POSTROOM"], metrics_token=TOKEN)

    def ask(token=TOKEN):
        return app.test_client().get("/metrics", headers={"Authorization": f"Bearer {token}"})

    return ask


def value(page, line):
    return float(re.search(rf"^{re.escape(line)} (\S+)$", page, re.MULTILINE)[1])


def test_without_a_token_set_there_is_no_such_page(app):
    assert app.test_client().get("/metrics").status_code == 404


def test_who_does_not_know_the_token_gets_nothing(app, asking):
    assert asking("wrong").status_code == 401
    assert app.test_client().get("/metrics").status_code == 401
    assert app.test_client().get("/metrics", auth=("x", TOKEN)).status_code == 401


def test_what_waits_is_counted_over_all_organizations_and_names_none(app, asking, ours, theirs):
    for world in (ours, theirs):
        with inside(world.id):
            arrive(make_mailbox(world, label=f"Desk of {world.name}"), letter(), letter(body="Two"))
    answer = asking()
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    page = answer.text
    assert value(page, 'postroom_arrivals_waiting{lane="new"}') == 4
    assert value(page, 'postroom_arrivals_waiting{lane="history"}') == 0
    assert value(page, "postroom_arrival_waiting_seconds") > 0
    assert value(page, 'postroom_jobs_waiting{queue="sync"}') == 0
    for world in (ours, theirs):
        assert world.name not in page
        assert str(world.id) not in page


def test_connections_of_all_watchers_are_counted_together(app, asking, ours):
    assert value(asking().text, "postroom_connections_watched") == 0
    queues.say_alive("watch 1 of 2", 3)
    queues.say_alive("watch 2 of 2", 4)
    queues.say_alive("schedule")
    assert value(asking().text, "postroom_connections_watched") == 7


def test_what_is_done_is_not_counted(app, asking, ours, theirs):
    with inside(ours.id):
        make_message(ours, make_mailbox(ours))
    assert value(asking().text, "postroom_messages_pending") == 0


def test_each_metric_is_in_the_documentation(app):
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert [one.name for one in metrics() if one.name not in documented] == []


def test_a_short_token_is_refused_at_the_start(environment):
    with pytest.raises(SettingsError, match="POSTROOM_METRICS_TOKEN is too short"):
        Settings.from_environment({**environment, "POSTROOM_METRICS_TOKEN": "short"})
