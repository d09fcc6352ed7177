"""Passes over Dovecot as others set it up: another storage, a prefix, names of the world, few connections."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.errors import TooManyConnectionsError
from mailboxes.sync.foreground import sync_now
from tenants.database import db
from tests.certificates import Certificates
from tests.dovecot import start_dovecot
from tests.factories import World
from tests.mailboxes.arriving import letter
from tests.mailboxes.served import Served

pytestmark = pytest.mark.dovecot

Stored = dict[tuple[bytes, int], tuple[bytes, frozenset[str]]]
MBOX = {"mail_location": "mbox:~/mail:INBOX=~/inbox"}
PREFIX = {"separator": ".", "prefix": "INBOX."}


@contextmanager
def serving(
    app: Any, ours: World, inside: Any, certificates: Certificates, settings: Mapping[str, str]
) -> Iterator[Served]:
    with start_dovecot(certificates.good, settings) as server:
        yield Served(app, server, ours, inside, history="all")


def there(served: Served, names: list[bytes]) -> Stored:
    """What the server has in these folders, as another client sees it."""
    found: Stored = {}
    with served.server.session(served.user) as other:
        for name in names:
            assert other.select(f'"{name.decode()}"', readonly=True)[0] == "OK"
            for uid in other.uid("SEARCH", "ALL")[1][0].split():
                told = other.uid("FETCH", uid.decode(), "(FLAGS BODY.PEEK[])")[1]
                raw = next(item[1] for item in told if isinstance(item, tuple))
                line = b" ".join(item if isinstance(item, bytes) else item[0] for item in told)
                flags = re.search(rb"FLAGS \(([^)]*)\)", line)
                assert flags is not None
                found[name, int(uid)] = hashlib.sha256(raw).digest(), known(flags[1].decode().split())
    return found


def here(served: Served) -> Stored:
    with served.inside(served.world):
        folders = {folder.id: folder.name_raw for folder in db.session.scalars(select(Folder))}
        rows = db.session.scalars(select(Arrival).where(Arrival.vanished_at.is_(None)))
        return {(folders[row.folder_id], row.uid): (row.sha256, known(row.flags)) for row in rows}


def known(flags: list[str]) -> frozenset[str]:
    return frozenset(flags) - {"\\Recent"}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (MBOX, ["INBOX", "Projects"]),
        (PREFIX, ["INBOX", "INBOX.Projects", "INBOX.Projects.Deep"]),
        ({}, ["INBOX", "R&AOk-sum&AOk- &- co", "&U,BTFw-", "quo'te", "Two  blanks "]),
    ],
    ids=["mbox", "prefix", "names"],
)
def test_what_is_here_is_what_is_there(
    app: Any,
    ours: World,
    theirs: World,
    inside: Any,
    certificates: Certificates,
    settings: Mapping[str, str],
    names: list[str],
) -> None:
    with serving(app, ours, inside, certificates, settings) as served:
        for name in names:
            for number in range(4):
                served.append(letter(f"Number {number} in {name}"), name)
        served.sync()
        with inside(ours):
            db.session.execute(update(Folder).values(is_synced=Folder.name_raw.in_(map(str.encode, names))))
            db.session.commit()
        served.sync()
        for name in names:
            with served.server.session(served.user) as other:
                other.select(f'"{name}"')
                other.uid("STORE", "1", "+FLAGS", r"(\Seen \Answered)")
                other.uid("STORE", "2", "+FLAGS", r"(\Deleted)")
                other.expunge()
            served.append(letter(f"New in {name}"), name)
        served.sync()
        stored = here(served)
        assert stored == there(served, [name.encode() for name in names])
        assert len(stored) == 4 * len(names)


def test_where_another_program_holds_all_connections_it_is_said_and_tried_again(
    app: Any, ours: World, theirs: World, inside: Any, certificates: Certificates
) -> None:
    few = {"mail_max_userip_connections": "2"}
    with serving(app, ours, inside, certificates, few) as served:
        served.append(letter("One"))
        with served.server.session(served.user):
            served.sync()
            with served.server.session(served.user):
                assert isinstance(sync_now(served.mailbox.account_id).error, TooManyConnectionsError)
                with inside(ours):
                    assert served.account().state == "failing"
        with inside(ours):
            db.session.execute(update(Account).values(quiet_until=None))
            db.session.commit()
        served.append(letter("Two"))
        served.sync()
        assert len(here(served)) == 2
