"""One database and one organization for all faults of a module: each gets an account of its own in it."""

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from embedded.postgres import DatabaseUrls
from mailboxes.tables import METADATA
from tenants.database import db
from tests.certificates import Certificates
from tests.factories import World, make_organization
from tests.faults.imap_server import ScriptedImap
from tests.faults.seeds import is_time_over
from tests.faults.stage import Stage


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A run that may take so long only (``SECONDS``) leaves out what is left then."""
    if is_time_over():
        pytest.skip("the time of this run is over")


@pytest.fixture(scope="module")
def arena(_application: Flask, database_urls: DatabaseUrls) -> Iterator[World]:
    """Our organization, for a whole module; the database is empty again afterwards."""
    settings = _application.config["POSTROOM"]
    with _application.app_context():
        yield make_organization("Acme")
        db.session.remove()
    _application.config["POSTROOM"] = settings
    with psycopg.connect(database_urls.owner.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(METADATA.tables)}")


@pytest.fixture
def stage(
    _application: Flask, arena: World, imap_server: ScriptedImap, certificates: Certificates
) -> Iterator[Stage]:
    """A fresh account of the organization, behind a fresh server."""
    with _application.app_context():
        stage = Stage(_application, imap_server, arena, certificates)
        yield stage
        stage.heal()
        db.session.remove()
