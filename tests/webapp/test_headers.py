"""The headers of every answer."""

from types import SimpleNamespace

import pytest
from flask import Flask

from webapp.headers import HEADERS, secure


def answered(base_url, asked_at):
    app = Flask("pages")
    app.config["POSTROOM"] = SimpleNamespace(base_url=base_url)
    secure(app)
    app.get("/")(lambda: "Hello")
    return app.test_client().get("/", base_url=asked_at).headers


@pytest.mark.parametrize(
    ("base_url", "asked_at", "expected"),
    [
        ("https://postroom.test", "http://127.0.0.1:8000", "max-age=31536000; includeSubDomains"),
        ("http://postroom.test", "https://postroom.test", "max-age=31536000; includeSubDomains"),
        ("http://postroom.test", "http://postroom.test", None),
    ],
    ids=["behind a proxy that decrypts", "encrypted", "not encrypted"],
)
def test_who_came_encrypted_never_comes_otherwise_again(base_url, asked_at, expected):
    assert answered(base_url, asked_at).get("Strict-Transport-Security") == expected


def test_no_answer_is_kept_guessed_at_or_framed():
    found = answered("http://postroom.test", "http://postroom.test")
    assert {name: found.get(name) for name in HEADERS} == HEADERS
    assert found["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in found["Content-Security-Policy"]
