"""What a scenario is played on: a scripted server, a mailbox behind it that makes leads, and the oracle."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select, update

from mailboxes import connection_check
from mailboxes.accounts import Account, Folder
from mailboxes.arrivals import Arrival
from mailboxes.connection_check import CheckReport, check_connection
from mailboxes.connections import egress_policy, imap_settings, store_password
from mailboxes.crm.channels import add_channel, has_active_channel
from mailboxes.crm.leads import Lead
from mailboxes.messages import Message
from mailboxes.sync.claiming import claim_now
from mailboxes.sync.foreground import sync_now
from mailboxes.sync.passes import PassReport
from mailboxes.system_mailboxes import Mailbox
from tenants.configuration.catalog import ORGANIZATION
from tenants.configuration.layers import override
from tenants.database import db, inside, now
from tenants.errors import ConflictError
from tests.certificates import Certificates
from tests.factories import World, make_mailbox, make_organization
from tests.faults.imap_server import CAPABILITIES, Command, ScriptedImap
from tests.faults.oracle import Known, Oracle, Truth, known
from tests.mailboxes.arriving import letter
from tests.world import permitted_ports

INBOX, PROJECTS = "INBOX", "Projects"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
GREETING = b"* OK ready\r\n"


class Stage:
    """A mailbox of ``world`` that reads INBOX and Projects of a scripted server, all of it."""

    def __init__(
        self, app: Flask, server: ScriptedImap, world: World, certificates: Certificates, **account: Any
    ) -> None:
        permitted_ports(app, server.port, server.tls_port)
        app.config["POSTROOM"] = replace(app.config["POSTROOM"], ca_file=str(certificates.ca_file))
        self.app, self.server, self.world, self.certificates = app, server, world, certificates
        self.letter_count = self.heard_before = 0
        self._neighbours: list[Oracle] = []
        self._is_limited = False
        server.folder(PROJECTS)
        self.mailbox = self._mailbox(world, account)
        self.oracle = self._oracle(self.mailbox)

    # --- the server ------------------------------------------------------------------------------

    def fill(self, folder: str, count: int) -> list[int]:
        """So many letters are in a folder; their UIDs."""
        return [self.add(folder) for _ in range(count)]

    def add(self, folder: str = INBOX, **given: Any) -> int:
        """One more letter, like no other."""
        self.letter_count += 1
        number = self.letter_count
        raw = letter(
            f"Letter {number}",
            message_id=f"l{number}@x",
            sender=f"P <p{number}@customer.test>",
            body=f"How much is it? I saw it in {self.mailbox.id}.",  # no other stage has these bytes
        )
        return self.server.folder(folder).add(raw, **given)

    def add_raw(self, raw: bytes) -> int:
        """One more message in the inbox, made of these bytes."""
        self.letter_count += 1
        return self.server.folder(INBOX).add(raw)

    def live_on(self) -> None:
        """A day passes on the server: new mail in both folders, flags, and something is removed."""
        inbox = self.server.folder(INBOX)
        first, second, *_ = inbox.uids()
        for folder in (INBOX, INBOX, PROJECTS):
            self.add(folder, date=now().strftime("%d-%b-%Y %H:%M:%S +0000"))
        inbox.flag(first, "\\Seen", "\\Answered")
        inbox.remove(second)
        self.heard_before = len(self.server.received)

    def truth(self) -> Truth:
        """What the server has in the folders that are synced."""
        synced = self.oracle.synced()
        return {
            (name, uid): self._known(name, uid)
            for name, folder in self.server.folders.items()
            if name in synced
            for uid in folder.uids()
        }

    def heal(self) -> None:
        """The server is well again, and so is the way to it."""
        self.server.heal()
        self.server.greeting, self.server.capabilities = GREETING, CAPABILITIES
        self.server.list_lines = None
        self.server.present(self.certificates.good)
        self.connect(host="127.0.0.1", encryption="none", password=self.server.password)
        if self._is_limited:
            self.limit_megabytes(50)

    # --- our side --------------------------------------------------------------------------------

    def connect(self, *, host: str = "", encryption: str = "", password: str = "") -> None:
        """Let the mailbox connect otherwise."""
        with inside(self.world.id):
            account = self.account()
            account.imap_host = host or account.imap_host
            if encryption:
                account.imap_encryption = encryption
                account.imap_port = self.server.tls_port if encryption == "tls" else self.server.port
            if password:
                store_password(account, "imap", password)
            db.session.commit()

    def read_only_the_inbox(self) -> None:
        """Let no other folder be synced."""
        with inside(self.world.id):
            self.folders()[PROJECTS].is_synced = False
            db.session.commit()

    def account(self) -> Account:
        """The account's row as it is now (inside the organization)."""
        query = select(Account).where(Account.id == self.mailbox.account_id)
        return db.session.scalars(query.execution_options(populate_existing=True)).one()

    def folders(self) -> dict[str, Folder]:
        """The account's folders by name (inside the organization)."""
        query = select(Folder).where(Folder.account_id == self.mailbox.account_id)
        found = db.session.scalars(query.execution_options(populate_existing=True))
        return {folder.name: folder for folder in found}

    def limit_megabytes(self, most: int) -> None:
        """What is larger than so much stays on the server."""
        self._is_limited = True
        with inside(self.world.id):
            override("sync.max_message_mb", str(most), ORGANIZATION, by="the test")
            db.session.commit()

    def check(self) -> CheckReport:
        """*Check connection* with what is stored."""
        with inside(self.world.id):
            settings = imap_settings(self.account())
        usual, connection_check.COUNTING_SECONDS = connection_check.COUNTING_SECONDS, 0.1
        try:
            return check_connection(settings, None, egress_policy())
        finally:
            connection_check.COUNTING_SECONDS = usual

    def sync(self) -> PassReport:
        """One pass, with delivery."""
        return sync_now(self.mailbox.account_id)

    def settle(self) -> None:
        """Heal, run to quiet, demand the truth."""
        self.heal()
        for neighbour in self._neighbours:
            neighbour.settle()
        self.oracle.settle()

    def arrivals(self) -> dict[int, str]:
        """The state of what has arrived in the inbox, by UID."""
        with inside(self.world.id):
            inbox = next(one for one in self.folders().values() if one.special_use == "inbox")
            rows = db.session.execute(select(Arrival.uid, Arrival.state).where(Arrival.folder_id == inbox.id))
            return {row.uid: row.state for row in rows}

    def what_was_written(self) -> set[str]:
        """Commands that change something on the server, or would mark a message as seen."""
        reading = {"CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "LIST", "STATUS", "LOGOUT", "NOOP"}
        reading |= {"EXAMINE", "SEARCH", "IDLE", "ID"}
        return {
            f"{command.verb} {command.arguments.decode('latin-1')}"
            for command in self.server.commands
            if command.verb not in reading and not _is_a_peek(command)
        }

    def subjects(self) -> list[str]:
        """The subjects of all messages, in order."""
        with inside(self.world.id):
            query = select(Message.subject).where(Message.mailbox_id == self.mailbox.id)
            return sorted(db.session.scalars(query))

    def count_in(self, name: str) -> int:
        """How many arrivals there are of a folder, gone ones too."""
        with inside(self.world.id):
            query = select(func.count()).where(Arrival.folder_id == self.folders()[name].id)
            return db.session.scalar(query) or 0

    def last_error(self) -> str:
        """What the account's page says is wrong."""
        with inside(self.world.id):
            return self.account().last_error

    def state(self) -> str:
        """The state of the account."""
        with inside(self.world.id):
            return self.account().state

    def lead_count(self) -> int:
        """How many leads automation has made."""
        with inside(self.world.id):
            messages = select(Message.id).where(Message.mailbox_id == self.mailbox.id)
            query = select(func.count()).where(Lead.is_automatic, Lead.opening_message_id.in_(messages))
            return db.session.scalar(query) or 0

    def pause_seconds(self) -> float:
        """How long the account is left alone from now on."""
        with inside(self.world.id):
            account = self.account()
            later = max(account.next_attempt_at, account.quiet_until or account.next_attempt_at)
            return (later - now()).total_seconds()

    def make_neighbours(self) -> None:
        """A second mailbox of ours and one of another organization read the same folders."""
        for world in (self.world, make_organization("Neighbour")):
            self._neighbours.append(self._oracle(self._mailbox(world, {})))

    def demand_neighbours_have_the_same(self) -> None:
        """Each of them has what we have, in rows and bytes of its own."""
        for neighbour in self._neighbours:
            assert neighbour.stored() == self.oracle.stored()

    def is_refused_a_pass(self) -> bool:
        """Whether nobody may ask the server now, neither the schedule nor a person nor the watcher."""
        try:
            self.sync()
        except ConflictError:
            return claim_now(self.mailbox.account_id) is None
        return False

    def a_day_later(self) -> None:
        """The last full comparison was more than a day ago."""
        with inside(self.world.id):
            db.session.execute(
                update(Folder)
                .where(Folder.account_id == self.mailbox.account_id)
                .values(compared_at=now() - timedelta(days=2))
            )
            db.session.commit()

    def _known(self, name: bytes, uid: int) -> Known:
        message = self.server.folders[name].messages[uid]
        return known(message.sha256, message.flags)

    def _oracle(self, mailbox: Mailbox) -> Oracle:
        return Oracle(
            mailbox.organization_id,
            mailbox.id,
            mailbox.account_id,
            self.truth,
            self.server.transcript_text,
        )

    def _mailbox(self, world: World, given: dict[str, Any]) -> Mailbox:
        mailbox = make_mailbox(
            world,
            action="lead",
            action_settings={"source": "email", "owner": str(world.member.id)},
            automation_from=LONG_AGO,
            account={
                "imap_enabled": True,
                "imap_host": "127.0.0.1",
                "imap_port": self.server.port,
                "imap_encryption": "none",
                "imap_user": self.server.user,
                "history": "all",
                "lease_expires_at": LONG_AGO,
                **given,
            },
        )
        with inside(world.id):
            if not has_active_channel():
                add_channel("Sales")
            account = db.session.scalars(select(Account).where(Account.id == mailbox.account_id)).one()
            store_password(account, "imap", self.server.password)
            db.session.add(
                Folder(
                    organization_id=world.id,
                    account_id=mailbox.account_id,
                    name_raw=PROJECTS.encode(),
                    name=PROJECTS,
                    is_synced=True,
                )
            )
            db.session.commit()
        return mailbox


def _is_a_peek(command: Command) -> bool:
    return command.verb == "FETCH" and not re.search(rb"BODY\[|RFC822(?!\.SIZE)", command.arguments)
