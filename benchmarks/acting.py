"""What it takes to act on messages: records made, answers decided and queued. No server takes part.

Statements are those of SQLAlchemy; rows that go in as arrays (`tenants.database.bulk`) are one more a table.
Everything is done in this process, as a worker does it, so that its processor time and that of PostgreSQL are
those of the messages alone. The senders are all different people. Whoever changes a conversation waits for
the portion that has it.
"""

import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from flask import Flask

from benchmarks.application import application
from benchmarks.processes import postgres_pids, processor_seconds
from benchmarks.tables import print_table, spread
from embedded.folders import temporary_folder
from mailboxes.acting import MOST_TOGETHER, act_on_pending
from mailboxes.crm.channels import add_channel
from mailboxes.intake import deliver
from mailboxes.offering import offer_everything
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.layers import override
from tenants.database import db, inside
from tests.factories import World, make_mailbox, make_organization
from tests.mailboxes.arriving import arrive, letter
from tests.mailboxes.sending import answering_rule
from tests.queries import listening

AT_ONCE = 500  # messages that are delivered by one call
TEXT = "\n\n".join(
    f"Sentence {number} of a message as people write it, of usual length." for number in range(12)
)
KINDS_SHOWN = 12


def run(count: int) -> dict[str, Any]:
    """Act on so many messages of each sort, print the tables and return the figures."""
    with temporary_folder() as folder, application(folder) as app, app.app_context():
        figures = {
            "lead made and answered": _measured(app, folder, count, hourly_limit=100_000),
            "lead made, limit of answers reached": _measured(app, folder, count, hourly_limit=1),
        }
    columns = ("", "messages/s", "portion p95 ms", "our ms", "PostgreSQL ms", "statements")
    rows = [[name, *(one[column] for column in columns[1:])] for name, one in figures.items()]
    print_table(f"Acting on {count:,} messages each", columns, rows)
    for name, one in figures.items():
        kinds = list(one["kinds"].items())[:KINDS_SHOWN]
        print_table(f"Statements a message: {name}", ("kind", "a message"), kinds)
    return {"messages": count, **figures}


def _measured(app: Flask, folder: Path, count: int, *, hourly_limit: int) -> dict[str, Any]:
    world = make_organization(f"Limit {hourly_limit}")
    mailbox = _mailbox(world, hourly_limit)
    _fill(world, mailbox, 50)  # what is done once is done
    with inside(world.id):
        act_on_pending(1_000)
    _fill(world, mailbox, count)
    kinds: Counter[str] = Counter()

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        kinds[_kind(statement)] += 1

    database, ours = processor_seconds(postgres_pids(folder)), time.process_time()
    acted, portions = 0, [time.perf_counter()]
    with listening(app, "before_cursor_execute", note), inside(world.id):
        while done := act_on_pending(MOST_TOGETHER):
            acted += len(done)
            portions.append(time.perf_counter())
    if acted != count:
        raise RuntimeError(f"{acted} of {count} were acted upon")
    return {
        "messages/s": count / (portions[-1] - portions[0]),
        "portion p95 ms": spread([(end - begin) * 1000 for begin, end in pairwise(portions)])["p95"],
        "our ms": (time.process_time() - ours) * 1000 / count,
        "PostgreSQL ms": (processor_seconds(postgres_pids(folder)) - database) * 1000 / count,
        "statements": sum(kinds.values()) / count,
        "kinds": {kind: number / count for kind, number in kinds.most_common()},
    }


def _mailbox(world: World, hourly_limit: int) -> Mailbox:
    """One that makes leads and answers everybody, as often as the configuration lets it."""
    with inside(world.id):
        offer_everything()
        add_channel("Sales")
        for key, value in {"hourly": hourly_limit, "daily": 100_000}.items():
            override(f"response.{key}_limit", str(value), "organization", by="Ada")
        db.session.commit()
    sending = {"smtp_enabled": True, "smtp_host": "localhost", "smtp_encryption": "tls"}
    mailbox = make_mailbox(
        world,
        account=sending,
        action="lead",
        action_settings={"owner": str(world.admin.id), "source": "email"},
    )
    answering_rule(world, mailbox)
    return mailbox


def _fill(world: World, mailbox: Mailbox, count: int) -> None:
    """Deliver so many questions, each of somebody else."""
    people = [f"{number}-{time.monotonic_ns()}" for number in range(count)]
    for start in range(0, count, AT_ONCE):
        raws = [
            letter(
                f"Question {one}",
                sender=f"Anna <anna@customer{one}.test>",
                to=mailbox.address,
                message_id=f"{one}@customer.test",
                body=f"{one}\n\n{TEXT}",
            )
            for one in people[start : start + AT_ONCE]
        ]
        with inside(world.id):
            arrive(mailbox, *raws)
            deliver(mailbox.account_id)


def _kind(statement: str) -> str:
    """What a statement does to which table."""
    words = re.sub(r"\s+", " ", statement.strip())
    table = re.search(r"\b(?:FROM|INTO|UPDATE) \"?(\w+)", words)
    return f"{words.split()[0].upper()} {table[1] if table else words[:40]}"
