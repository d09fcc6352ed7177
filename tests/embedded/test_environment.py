"""The services of a data folder, and the variables that lead to them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy

from embedded import processes
from embedded.environment import Services
from embedded.folders import default_data_folder, temporary_folder
from embedded.mail.people import MailUser
from embedded.mail.post import deliver
from tenants.settings import Settings


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder / "data"


def who_am_i(url: str) -> str:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        name = connection.exec_driver_sql("SELECT current_user").scalar_one()
    engine.dispose()
    return str(name)


def test_the_variables_lead_to_running_servers(folder):
    user = MailUser("support@north.example", "secret")
    with Services(folder, durable=False, mail_users=[user]) as services:
        settings = Settings.from_environment(services.environment())
        assert who_am_i(settings.database_url) == "postroom_app"
        assert who_am_i(settings.system_database_url) == "postroom_system"
        assert who_am_i(settings.owner_database_url) == "postroom_owner"
        with redis.Redis.from_url(settings.redis_url) as client:
            assert client.ping()
        assert services.mail is not None
        assert {services.mail.imap_port, services.mail.smtp_port} <= settings.permitted_ports
        deliver(
            settings.customer_smtp_url,
            b"Subject: Hello\r\n\r\nHello\r\n",
            sender="anna@customer.test",
            recipients=[user.address],
        )


def test_secrets_and_ports_stay_the_same_and_private(folder):
    first = Services(folder)
    second = Services(folder)
    assert first.environment() == second.environment()
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "objects").stat().st_mode) == 0o700


def test_no_port_is_given_twice_before_somebody_listens_on_it(monkeypatch):
    monkeypatch.setattr(processes, "NEVER_OUTGOING", range(20_000, 20_040))
    ports = [processes.free_port() for _ in range(30)]
    assert len(set(ports)) == len(ports)


def test_without_mail_nothing_of_it_is_named(folder):
    services = Services(folder, with_mail=False)
    assert services.mail is None
    assert "POSTROOM_CUSTOMER_SMTP_URL" not in services.environment()


def test_the_demo_keeps_its_data_where_postgresql_can_reach_it(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/home/somebody/state")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_folder() == Path("/var/tmp/postroom-demo-0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_data_folder() == Path("/home/somebody/state/postroom-demo")
