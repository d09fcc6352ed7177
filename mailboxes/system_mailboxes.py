"""System mailboxes: addresses that an organization reads together."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    UniqueConstraint,
    event,
    exists,
    false,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

from tenants.database import (
    INSTALLATION,
    Base,
    FencedSession,
    OrganizationScoped,
    db,
    is_one_of,
    now,
    owned_key,
    scoped_key,
)


class Mailbox(OrganizationScoped, Base):
    """What people see of an account; it always belongs to one organization.

    ``account_owner_id`` is the organization, or the installation for a global account; the check
    keeps any third party out.
    """

    __tablename__ = "mailboxes"
    __table_args__ = (
        Index(
            "uq_mailboxes_label",
            "organization_id",
            "label",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        # A global mailbox may have the address of an own one: the system learns nothing by it.
        Index(
            "uq_mailboxes_address",
            "organization_id",
            "address",
            unique=True,
            postgresql_where=text("global_mailbox_id IS NULL AND deleted_at IS NULL"),
        ),
        UniqueConstraint("organization_id", "account_id"),
        UniqueConstraint("organization_id", "global_mailbox_id"),
        Index("ix_mailboxes_global_mailbox_id", "global_mailbox_id", "system_version"),
        CheckConstraint("rules_from IN ('own', 'system', 'off')", name="rules_from"),
        owned_key("account_id", "accounts", owner="account_owner_id"),
        CheckConstraint(
            f"account_owner_id = organization_id OR account_owner_id = '{INSTALLATION}'::uuid",
            name="account_owner",
        ),
        Index("ix_mailboxes_account_id", "account_id"),
        Index(
            "ix_mailboxes_unfetched", "organization_id", postgresql_where=text("unfetched_since IS NOT NULL")
        ),
        Index("ix_mailboxes_deleted", "organization_id", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_mailboxes_shown_label", "organization_id", text("lower(label)"), "id"),  # the grid's order
    )

    account_id: Mapped[UUID]
    account_owner_id: Mapped[UUID]
    label: Mapped[str]
    address: Mapped[str]  # lower case
    aliases: Mapped[list[str]] = mapped_column(default=list)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    # Of a global account, all that an organization learns of its trouble: since when nothing is fetched.
    unfetched_since: Mapped[datetime | None] = mapped_column(default=None)
    is_mirrored: Mapped[bool] = mapped_column(default=False)  # … and that its read state is the server's
    # It fetches, and shows what automation would have made and answered; automation does neither.
    is_shadow: Mapped[bool] = mapped_column(default=False)

    # nothing, lead, case, or the name of a plug-in's action; its settings by their field names
    action: Mapped[str] = mapped_column(default="nothing")
    action_settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    automation_from: Mapped[datetime] = mapped_column(default=now)
    converts_automatic: Mapped[bool] = mapped_column(default=False)
    trusted_forms: Mapped[list[str]] = mapped_column(default=list)  # addresses of web forms
    trusted_authserv_id: Mapped[str] = mapped_column(default="")
    answers_unaddressed: Mapped[bool] = mapped_column(default=False)  # rule 16 off
    signature: Mapped[str | None] = mapped_column(default=None)
    rules_from: Mapped[str] = mapped_column(default="own")  # own, system, off

    # What a global mailbox follows (`mailboxes.global_mailboxes`): the columns above hold what applies.
    global_mailbox_id: Mapped[UUID | None] = mapped_column(ForeignKey("global_mailboxes.id"), default=None)
    is_served: Mapped[bool] = mapped_column(default=True)  # no more: it keeps what it has, and rests
    system_version: Mapped[int] = mapped_column(default=0)
    system_values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    overrides: Mapped[dict[str, Any]] = mapped_column(default=dict)
    live_since: Mapped[datetime | None] = mapped_column(default=None)  # when it last came out of shadow
    created_at: Mapped[datetime] = mapped_column(default=now)
    # It is to go (`mailboxes.setup.deleting`): no query knows it, but those that say they see it.
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
    deletion: Mapped[dict[str, Any]] = mapped_column(default=dict)  # by whom, and what there was

    @property
    def is_global(self) -> bool:
        """Whether its account is the installation's."""
        return self.account_owner_id == INSTALLATION

    @property
    def overridden_fields(self) -> set[str]:
        """Of which the organization's own word applies, and not the system's."""
        return {field for field in self.overrides if not self._is_locked(field)}

    @property
    def waiting_fields(self) -> set[str]:
        """Of which its own word is kept until the system's lock goes."""
        return {field for field in self.overrides if self._is_locked(field)}

    def _is_locked(self, field: str) -> bool:
        return "lock" in self.system_values.get(field, {})


SEES_DELETED = "sees_deleted"  # an execution option
_IS_HERE = with_loader_criteria(Mailbox, Mailbox.deleted_at.is_(None), include_aliases=True)


@event.listens_for(FencedSession, "do_orm_execute")
def _leave_out_what_is_to_go(state: ORMExecuteState) -> None:
    is_asked = state.is_orm_statement and not (state.is_column_load or state.is_insert)
    if is_asked and not state.execution_options.get(SEES_DELETED):
        state.statement = state.statement.options(_IS_HERE)


class MailboxGrant(OrganizationScoped, Base):
    """A role or a member may read a mailbox, or reply from it."""

    __tablename__ = "mailbox_grants"
    __table_args__ = (
        UniqueConstraint("organization_id", "mailbox_id", "role_id"),
        UniqueConstraint("organization_id", "mailbox_id", "membership_id"),
        scoped_key("mailbox_id", "mailboxes", ondelete="CASCADE"),
        scoped_key("role_id", "roles", ondelete="CASCADE"),
        scoped_key("membership_id", "memberships", ondelete="CASCADE"),
        CheckConstraint("level IN ('read', 'reply')", name="level"),
        CheckConstraint("(role_id IS NULL) <> (membership_id IS NULL)", name="role_or_member"),
    )

    mailbox_id: Mapped[UUID]
    role_id: Mapped[UUID | None] = mapped_column(default=None)
    membership_id: Mapped[UUID | None] = mapped_column(default=None)
    level: Mapped[str] = mapped_column(default="read")


def says_otherwise() -> ColumnElement[bool]:
    """Whether something applies in a `Mailbox` because the organization says it otherwise than the system."""
    return _some_override(~_LOCK)


def has_waiting_overrides() -> ColumnElement[bool]:
    """Whether something that a `Mailbox` says otherwise waits for a lock of the system to go."""
    return _some_override(_LOCK)


_SAID = func.jsonb_object_keys(Mailbox.overrides).table_valued("field").render_derived("said")
_LOCK = func.coalesce(Mailbox.system_values.op("->")(_SAID.c.field).bool_op("?")("lock"), false())


def _some_override(which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(_SAID).where(which).correlate(Mailbox))


def mailboxes() -> Select[Mailbox]:
    """Mailboxes of the current organization, by label."""
    return select(Mailbox).order_by(Mailbox.label)


def hold_mailboxes(which: ColumnElement[bool], session: Session | None = None) -> None:
    """Nobody else delivers to these or follows their server before the transaction ends.

    Whoever changes several messages holds their mailboxes first, in this one order, then arrivals, then
    messages: else each of two would wait for what the other one has.
    """
    held = select(Mailbox.id).where(which).order_by(Mailbox.id).with_for_update(key_share=True)
    (session or db.session).execute(held, execution_options={SEES_DELETED: True})


def own_addresses(among_these: Collection[str]) -> set[str]:
    """Those of these addresses, in lower case, that are ours: of a mailbox, or an alias of one."""
    wanted = list(among_these)
    query = select(Mailbox.address, Mailbox.aliases).where(
        Mailbox.address.in_(wanted) | Mailbox.aliases.overlap(wanted)
    )
    found = {one for address, aliases in db.session.execute(query) for one in (address, *aliases)}
    return found.intersection(wanted)


def labels_of(ids: Iterable[UUID]) -> dict[UUID, str]:
    """What these mailboxes of the current organization are called."""
    rows = db.session.execute(select(Mailbox.id, Mailbox.label).where(is_one_of(Mailbox.id, ids)))
    return {row.id: row.label for row in rows}
