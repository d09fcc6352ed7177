"""A request by which an administrator changed something has left an entry in the record, in every test.

The test client asks this after each request: what was written in it, and was there an entry?
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from tenants.database import db

# Guards of people's daily work, which has histories of its own, and of nobody.
NOT_ADMINISTRATIVE = {
    "public",
    "signed in",
    "member",
    *("lead.view", "lead.edit", "case.view", "case.edit", "contact.view", "contact.edit"),
}


def is_administrative(guard: str) -> bool:
    """Whether it lets somebody pass to more than daily work."""
    return not NOT_ADMINISTRATIVE.issuperset(guard.split(" and "))


# What a request writes although nobody changed anything.
ASIDE = {
    *("sign_ins", "sign_in_attempts", "notices", "oauth_connections", "provider_requests"),
    *("api_tokens", "api_requests"),
}
# endpoint → why it leaves no entry although it writes
NOT_RECORDED = {
    "people.import_file": "it shows what would become of a file, and saves nothing",
    "users.import_file": "it shows what would become of a file, and saves nothing",
    "system.check_identity_provider": "it asks the provider, and saves nothing",
    "routing_trials.index": "it shows where a message would go, and saves nothing",
    "api.sync_mailbox": "a pass is asked for now instead of soon; nothing is set up differently",
    "api.check_mailbox": "a connection is tried as it is stored, and nothing is saved",
} | {
    f"{door}.{endpoint}": reason
    for door in ("mailboxes", "system_mailboxes", "opened_mailboxes")
    for endpoint, reason in (
        ("sync", "a pass is asked for now instead of soon; nothing is set up differently"),
        (
            "audit_folders",
            "folders are looked at now instead of in their turn; what is fetched then is on record",
        ),
    )
}
ENTRIES = {"audit_entries", "system_audit_entries"}
_WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)


@contextmanager
def written_tables(app: Flask) -> Iterator[set[str]]:
    """The tables to which this thread writes meanwhile, for good."""
    tables: set[str] = set()
    begun: dict[Any, set[str]] = {}
    thread = threading.get_ident()

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        found = _WRITES.match(statement)
        if found and threading.get_ident() == thread:
            begun.setdefault(connection, set()).add(found[1])

    def keep(connection: Any) -> None:
        tables.update(begun.pop(connection, ()))

    def forget(connection: Any) -> None:
        begun.pop(connection, None)

    listeners = {"before_cursor_execute": note, "commit": keep, "rollback": forget}
    pairs = [(engine, name) for engine in db.engines.values() for name in listeners]
    for engine, name in pairs:
        event.listen(engine, name, listeners[name])
    try:
        yield tables
    finally:
        for engine, name in pairs:
            event.remove(engine, name, listeners[name])


def demand_an_entry(app: Flask, endpoint: str | None, status: int, tables: set[str]) -> None:
    """`AssertionError` where an administrator's request wrote something, and no entry."""
    view = app.view_functions.get(endpoint or "")
    if view is None or status >= 400 or not is_administrative(getattr(view, "guard", "public")):
        return
    written = tables - ASIDE - ENTRIES
    assert not written or tables & ENTRIES or endpoint in NOT_RECORDED, (
        f"{endpoint} wrote to {sorted(written)} and left no entry: call tenants.audit.record, "
        "or say in tests/recording.py why there is none"
    )
