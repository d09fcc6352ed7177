"""No secret in any log line."""

import io
import json
import logging

import pytest
import structlog

from tenants.logs import configure_logs


@pytest.fixture
def lines():
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own are put back below, unharmed
    configure_logs("INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def test_values_named_like_secrets_are_hidden(lines):
    structlog.get_logger().info("signed in", user="mia", imap_password="hunter2", access_token="abc")
    (line,) = lines()
    assert line["user"] == "mia"
    assert "hunter2" not in json.dumps(line)
    assert "abc" not in json.dumps(line)


def test_passwords_inside_urls_are_hidden_also_in_tracebacks(lines):
    error = ValueError("cannot reach postgresql://app:hunter2@db/postroom")
    structlog.get_logger().error("broke", exc_info=error)
    assert "hunter2" not in json.dumps(lines())


def test_the_standard_library_logs_in_the_same_form(lines):
    logging.getLogger("somewhere").warning("redis://x:hunter2@host is away")
    (line,) = lines()
    assert line["event"] == "redis://x:(hidden)@host is away"
