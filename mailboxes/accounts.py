"""Accounts: connections to servers, with their folders, cursors and leases."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    CompoundSelect,
    Computed,
    Index,
    Select,
    UniqueConstraint,
    and_,
    case,
    exists,
    func,
    null,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base, OptionallyScoped, db, now, owned_key

WAITING_FOR_PEOPLE = ("disconnected", "refused", "misconfigured")
IN_TROUBLE = (*WAITING_FOR_PEOPLE, "failing")
# … and whatever else somebody may have to look at; in the words that PostgreSQL keeps it in.
_TROUBLES = ", ".join(f"'{state}'::text" for state in IN_TROUBLE)
_MAY_BE_ILL = (
    f"state = ANY (ARRAY[{_TROUBLES}])"
    " OR quiet_until IS NOT NULL OR NOT is_enabled OR NOT (imap_enabled OR smtp_enabled)"
)
EVERY_UID = 2**62  # beyond any that a server has


class Account(OptionallyScoped, Base):
    """A connection to a mail server; global where no organization owns it.

    ``state`` is what people read: new, ok, failing (it will be tried again at ``next_attempt_at``),
    refused (the login was rejected; waits for new credentials), misconfigured (trying again does not help
    until somebody changes something), disconnected (the provider no longer lets us in; waits until somebody
    connects it again).
    """

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("owner_id", "id"),
        CheckConstraint("kind IN ('other', 'google', 'microsoft')", name="kind"),
        CheckConstraint("imap_encryption IN ('tls', 'starttls', 'none')", name="imap_encryption"),
        CheckConstraint("smtp_encryption IN ('tls', 'starttls', 'none')", name="smtp_encryption"),
        CheckConstraint(
            "state IN ('new', 'ok', 'failing', 'refused', 'misconfigured', 'disconnected')", name="state"
        ),
        CheckConstraint("history IN ('now', 'days', 'all', 'inherit')", name="history"),
        CheckConstraint("delivery_mode IN ('routed', 'copied')", name="delivery_mode"),
        Index("ix_accounts_next_attempt_at", "next_attempt_at"),
        Index("ix_accounts_spent", "id", postgresql_where=text("is_spent")),
        # By a column: what is computed in a query finds no index under row security.
        Index("ix_accounts_may_be_ill", "organization_id", "id", postgresql_where=text("may_be_ill")),
    )

    address: Mapped[str]
    kind: Mapped[str] = mapped_column(default="other")
    is_enabled: Mapped[bool] = mapped_column(default=True)
    # Of a global account: routed (each message to one organization that it serves) or copied (to each of
    # them). The home organization takes what nothing else routes; of what is copied it alone answers.
    delivery_mode: Mapped[str] = mapped_column(default="routed")
    home_organization_id: Mapped[UUID | None] = mapped_column(default=None)

    imap_enabled: Mapped[bool] = mapped_column(default=False)
    imap_host: Mapped[str] = mapped_column(default="")
    imap_port: Mapped[int] = mapped_column(default=993)
    imap_encryption: Mapped[str] = mapped_column(default="tls")
    imap_user: Mapped[str] = mapped_column(default="")
    imap_secret: Mapped[bytes | None] = mapped_column(default=None)  # encrypted
    smtp_enabled: Mapped[bool] = mapped_column(default=False)
    smtp_host: Mapped[str] = mapped_column(default="")
    smtp_port: Mapped[int] = mapped_column(default=587)
    smtp_encryption: Mapped[str] = mapped_column(default="starttls")
    smtp_user: Mapped[str] = mapped_column(default="")  # empty: the IMAP login serves both
    smtp_secret: Mapped[bytes | None] = mapped_column(default=None)  # encrypted
    # Signs in by a connection to its provider (`mailboxes.oauth`) instead of passwords: as whom.
    connected_as: Mapped[str] = mapped_column(default="")
    smtp_refuses_null_sender: Mapped[bool] = mapped_column(default=False)

    history: Mapped[str] = mapped_column(default="inherit")
    history_days: Mapped[int | None] = mapped_column(default=None)
    mirrors_read_state: Mapped[bool] = mapped_column(default=False)
    copies_sent: Mapped[bool] = mapped_column(default=True)

    state: Mapped[str] = mapped_column(default="new")
    last_error: Mapped[str] = mapped_column(default="")  # one sentence, with what to do
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    told_since: Mapped[datetime | None] = mapped_column(default=None)  # the failing that was told of
    told_state: Mapped[str] = mapped_column(default="")  # … and as what
    told_at: Mapped[datetime | None] = mapped_column(default=None)  # when it was last told of, well or not
    recovered_at: Mapped[datetime | None] = mapped_column(default=None)  # from a failing that was told of
    failure_count: Mapped[int] = mapped_column(default=0)
    # Whether it is possibly in a state that somebody has to look at: where thousands are well, the others
    # alone are looked at.
    may_be_ill: Mapped[bool] = mapped_column(Computed(_MAY_BE_ILL, persisted=True))
    death_count: Mapped[int] = mapped_column(default=0)  # passes in a row that ended with their process
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    synced_at: Mapped[datetime | None] = mapped_column(default=None)
    quiet_until: Mapped[datetime | None] = mapped_column(default=None)  # the server asked to be left alone
    # When the server last told wrongly of all folders at once, or failed by it: it is asked once a day.
    statuses_untold_at: Mapped[datetime | None] = mapped_column(default=None)
    is_spent: Mapped[bool] = mapped_column(default=False)  # … or the budget of the day is, until then
    fetched_on: Mapped[date | None] = mapped_column(default=None)  # the day (UTC) of `fetched_bytes`
    fetched_bytes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)

    # The lease: who may commit for this account, proven by the fence (reliability §4.2). The owner is whoever
    # runs a pass, and "" while that is still rung for.
    lease_owner: Mapped[str] = mapped_column(default="")
    lease_fence: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def is_copied(self) -> bool:
        """Whether each organization that a global account serves gets a copy of its own."""
        return self.organization_id is None and self.delivery_mode == "copied"

    @property
    def mirrors_reads(self) -> bool:
        """Whether read here and seen on the server are one; of copies each organization has its own."""
        return self.mirrors_read_state and not self.is_copied


def shown_state() -> ColumnElement[str]:
    """The state for people: a failing account that nothing is fetched from for now is quiet, or spent."""
    is_quiet = (Account.state == "failing") & (Account.quiet_until > func.now())
    return case((is_quiet & Account.is_spent, "spent"), (is_quiet, "quiet"), else_=Account.state)


class Folder(OptionallyScoped, Base):
    """What IMAP calls a mailbox. Its identity is the raw name; the cursor is what is committed.

    ``left_at``: when its account went to another server, or to another user there. What arrived in it
    stays, and is delivered as anything else; but no UID of it is ever told to the new server.
    """

    __tablename__ = "folders"
    __table_args__ = (
        UniqueConstraint("owner_id", "id"),
        UniqueConstraint("owner_id", "account_id", "id"),
        owned_key("account_id", "accounts", ondelete="CASCADE"),
        Index(
            "uq_folders_account_id",
            "account_id",
            "name_raw",
            unique=True,
            postgresql_where=text("left_at IS NULL"),
        ),
        Index("ix_folders_account_id", "account_id"),
        Index("ix_folders_history_left", "history_left", postgresql_where=text("history_left > 0")),
        Index("ix_folders_troubled", "account_id", postgresql_where=text("troubled_since IS NOT NULL")),
        Index("ix_folders_missing", "id", postgresql_where=text("audit #>> '{groups,missing}' <> '0'")),
    )

    account_id: Mapped[UUID]
    name_raw: Mapped[bytes]
    name: Mapped[str]  # to show; modified UTF-7 decoded as well as possible
    delimiter: Mapped[str | None] = mapped_column(default=None)
    special_use: Mapped[str] = mapped_column(default="other")
    is_selectable: Mapped[bool] = mapped_column(default=True)
    is_synced: Mapped[bool] = mapped_column(default=False)
    # What the server received since then is new, whatever its UID: first since it was chosen, then since
    # it was last read (`mailboxes.sync.plan.new_since_after`).
    new_since: Mapped[datetime] = mapped_column(default=now)
    # What the server told of it when it was chosen, if it was asked then: UIDs below this next one, of this
    # UIDVALIDITY, are not new, whatever date it gives them. None from when all before is stored or left.
    chosen_uid: Mapped[int | None] = mapped_column(default=None)
    chosen_validity: Mapped[int | None] = mapped_column(default=None)
    uid_validity: Mapped[int | None] = mapped_column(default=None)
    last_uid: Mapped[int] = mapped_column(default=0)
    mod_seq: Mapped[int | None] = mapped_column(default=None)
    # The newest UID when it was chosen; `EVERY_UID` from when it is chosen again until it is read.
    first_uid: Mapped[int | None] = mapped_column(default=None)
    history_uid: Mapped[int | None] = mapped_column(default=None)  # history is stored down to here
    # UIDs below this one are before the chosen history and stay on the server; the range stands for
    # an arrival each. None: not decided yet.
    history_floor: Mapped[int | None] = mapped_column(default=None)
    # For people: how many messages the chosen history had, how many are to come, and since when.
    history_total: Mapped[int | None] = mapped_column(default=None)
    history_left: Mapped[int | None] = mapped_column(default=None)
    history_began_at: Mapped[datetime | None] = mapped_column(default=None)
    changed_validity_count: Mapped[int] = mapped_column(default=0)
    compared_at: Mapped[datetime | None] = mapped_column(default=None)  # last full set difference
    flags_uid: Mapped[int | None] = mapped_column(default=None)  # of all, asked for down to here; None: done
    # When the server last did not tell what had changed since ``mod_seq``: it is asked for that once a day.
    changes_untold_at: Mapped[datetime | None] = mapped_column(default=None)
    # UIDs below this one, and those that were gone, may have been given to other messages: to be compared
    # with what is stored (`mailboxes.sync.reusing`). None: none.
    reused_uid: Mapped[int | None] = mapped_column(default=None)
    reread_count: Mapped[int] = mapped_column(default=0)  # of an unstable folder, once a day
    # … of which so many are not whole, by their look (`mailboxes.sync.unstable`).
    reread_met: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict)
    # What the server told at the last whole visit, if all of it was found: told again, nothing has come.
    server_count: Mapped[int | None] = mapped_column(default=None)
    uid_next: Mapped[int | None] = mapped_column(default=None)
    last_error: Mapped[str] = mapped_column(default="")
    visited_at: Mapped[datetime | None] = mapped_column(default=None)  # by a pass that began then
    troubled_since: Mapped[datetime | None] = mapped_column(default=None)  # it has had an error since then
    told_since: Mapped[datetime | None] = mapped_column(default=None)  # the trouble that was told of
    left_alone_until: Mapped[datetime | None] = mapped_column(default=None)  # the last visit broke off
    gone_at: Mapped[datetime | None] = mapped_column(default=None)
    # Of a new folder, asked for when another is gone (`mailboxes.sync.renaming`); 0: the server has none, or
    # does not tell it; -1: it was asked once, in vain.
    listed_validity: Mapped[int | None] = mapped_column(default=None)
    # The gap audit (`mailboxes.sync.gaps`): asked for, made, and what it found.
    audit_wanted_at: Mapped[datetime | None] = mapped_column(default=None)
    audited_at: Mapped[datetime | None] = mapped_column(default=None)
    audit: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    left_at: Mapped[datetime | None] = mapped_column(default=None)

    def begin_now(self, told: tuple[int, int] | None = None) -> None:
        """It is read from now on, for the first time or again: what came in before is history.

        ``told``: the UIDVALIDITY and the next UID that the server has told a moment ago.
        """
        self.new_since = now()
        self.chosen_validity, self.chosen_uid = told or (None, None)
        if self.first_uid is not None:
            self.first_uid = EVERY_UID


def account_now(id: UUID) -> Account:
    """An account as its row is now, whatever this session has read of it before."""
    query = select(Account).where(Account.id == id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def seen_account(id: UUID | None) -> Account | None:
    """An account, if this session may see it: a global one is seen by the system alone."""
    return db.session.scalar(select(Account).where(Account.id == id))


def is_in_trouble() -> ColumnElement[bool]:
    """Whether a folder that is to be read cannot be, in a query of folders."""
    return and_(Folder.is_synced, Folder.left_at.is_(None), Folder.troubled_since.is_not(None))


def suspects() -> CompoundSelect[Any]:
    """Ids of the accounts that may be in a state which somebody has to look at; each that is, is among them.

    It costs about as much as there are of them, however many accounts are well.
    """
    return union(
        select(Account.id).where(Account.may_be_ill), select(Folder.account_id).where(is_in_trouble())
    )


def has_folder_in_trouble() -> ColumnElement[bool]:
    """Whether an account has such a folder, in a query of accounts."""
    return exists().where(
        Folder.owner_id == Account.owner_id, Folder.account_id == Account.id, is_in_trouble()
    )


def folders_of(account: Account) -> Select[Folder]:
    """The folders of the server that it reads now."""
    return select(Folder).where(Folder.account_id == account.id, Folder.left_at.is_(None))


def leave_server(account: Account) -> None:
    """It goes to another server, or to another user there: what was fetched stays, and is delivered.

    Whoever reads the former one now loses the lease, so that nothing of it is taken for the new one's. The
    caller fills in where it goes, and commits.
    """
    db.session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(lease_fence=Account.lease_fence + 1, lease_expires_at=func.clock_timestamp(), lease_owner="")
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Folder)
        .where(Folder.account_id == account.id, Folder.left_at.is_(None))
        .values(left_at=now(), is_synced=False, history_left=0, audit_wanted_at=None, audit=null())
        .execution_options(synchronize_session=False)
    )
    account.synced_at = account.failing_since = account.told_since = None
    account.last_error, account.failure_count, account.death_count = "", 0, 0
    account.smtp_refuses_null_sender = False
    if account.state != "disconnected":
        account.state = "new"


def read_from_now_on(account: Account) -> None:
    """It is read from now on: what came into its folders before is history. The caller commits."""
    for folder in db.session.scalars(folders_of(account)):
        folder.begin_now()


def choose_history_again(account: Account) -> None:
    """How much history to take over has changed: each folder decides anew at its next visit.

    What is stored already stays. The caller commits.
    """
    db.session.execute(
        update(Folder)
        .where(Folder.account_id == account.id, Folder.left_at.is_(None), Folder.first_uid.is_not(None))
        .values(history_floor=None, history_total=None, history_began_at=None)
        .execution_options(synchronize_session=False)
    )
