"""The session, the base of every table, and the fence between organizations (walls one to three).

A session is bound once: to an organization (role ``postroom_app``, under row security), or to the
installation (role ``postroom_system``, only rows that no organization owns). What must look across
organizations opens a session of its own with `across_organizations` and says why.

In this room, too: `bulk` writes many rows in one statement, and `arrays` is how they travel; `locks` keeps
two from doing the same at once; `searching` makes conditions of typed words; `schema` knows whether the
tables are those that the code expects.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    ColumnElement,
    Computed,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    SQLColumnExpression,
    Text,
    Uuid,
    any_,
    event,
    literal,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import (
    DeclarativeBase,
    LoaderCriteriaOption,
    Mapped,
    ORMExecuteState,
    Session,
    SessionTransaction,
    declared_attr,
    mapped_column,
    registry,
    with_loader_criteria,
)
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.types import BigInteger

from tenants.errors import OutsideOrganizationError

INSTALLATION = UUID(int=0)
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMES),
        type_annotation_map={
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB,
            list[dict[str, Any]]: JSONB,
            list[str]: ARRAY(Text),
            list[UUID]: ARRAY(Uuid),
            str: Text,
            bytes: LargeBinary,
            int: BigInteger,
        },
    )


def now() -> datetime:
    """The time of the server, aware, in UTC."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A UUID whose order is that of its making, to a quarter of a microsecond (RFC 9562, section 5.7).

    The twelve bits after the milliseconds are a finer clock (section 6.2, method 3), so that rows made
    one after another stay in order.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    finer = nanoseconds * 4096 // 1_000_000
    number = (milliseconds << 80) | (0x7 << 76) | (finer << 64) | int.from_bytes(os.urandom(8))
    return UUID(int=(number & ~(0x3 << 62)) | (0x2 << 62))


class OrganizationScoped:
    """A row that belongs to exactly one organization."""

    @declared_attr
    def organization_id(cls) -> Mapped[UUID]:  # noqa: N805  # a class, to SQLAlchemy
        return mapped_column(
            ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True, sort_order=-2
        )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-1)


class PartScoped(OrganizationScoped):
    """A row of an organization that is a part of another one, and goes with it.

    Its key to that one has the organization in it and is never null, so that the organization needs no key
    of its own: one more to check for each row, where many are written.
    """

    @declared_attr
    def organization_id(cls) -> Mapped[UUID]:  # noqa: N805
        return mapped_column(primary_key=True, sort_order=-2)


class OptionallyScoped:
    """A row that an organization owns, or the installation where ``organization_id`` is null.

    ``owner_id`` repeats it as a value that is never null, so that foreign keys can include it.
    """

    @declared_attr
    def organization_id(cls) -> Mapped[UUID | None]:  # noqa: N805
        return mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)

    @declared_attr
    def owner_id(cls) -> Mapped[UUID]:  # noqa: N805
        return mapped_column(
            Uuid, Computed(f"coalesce(organization_id, '{INSTALLATION}'::uuid)", persisted=True)
        )


def scoped_key(column: str, target: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key to a row of the same organization (wall one).

    To forget the link when the target goes, say ``SET NULL (column)``: the organization stays.
    """
    return ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        ondelete=ondelete,
    )


def owned_key(
    column: str, target: str, owner: str = "owner_id", ondelete: str | None = None
) -> ForeignKeyConstraint:
    """A foreign key to a row of the same owner, be it an organization or the installation."""
    return ForeignKeyConstraint([owner, column], [f"{target}.owner_id", f"{target}.id"], ondelete=ondelete)


class FencedSession(FlaskSession):
    """A session that knows which role it speaks as."""

    def get_bind(self, *args: Any, **given: Any) -> Engine | Connection:
        """The engine of ``postroom_system`` for a session that was opened for it."""
        if self.info.get("is_system"):
            return db.engines["system"]
        return super().get_bind(*args, **given)


db = SQLAlchemy(model_class=Base, session_options={"class_": FencedSession, "expire_on_commit": False})


def enter_organization(organization_id: UUID) -> None:
    """Bind the session to one organization for the rest of this request or job."""
    info = db.session.info
    bound_to = info.setdefault("organization_id", organization_id)
    if bound_to != organization_id:
        raise OutsideOrganizationError(f"session is bound to {bound_to}, not {organization_id}")
    for row in db.session.identity_map.values():
        _refuse_foreign(row, organization_id)
    if db.session().in_transaction():
        _name_the_organization(db.session.connection(), organization_id)


def enter_installation(reason: str) -> None:
    """Bind the session to what no organization owns: global accounts, their folders and arrivals."""
    info = db.session.info
    if info.setdefault("organization_id", INSTALLATION) != INSTALLATION or not reason:
        raise OutsideOrganizationError("session is bound to an organization already")
    if db.session().in_transaction():
        db.session.rollback()
    info["is_system"] = True


@contextmanager
def inside(organization_id: UUID) -> Iterator[Session]:
    """A fresh scope bound to one organization, for commands, sweeps and tests; rolls back at its end."""
    with current_app.app_context():
        enter_organization(organization_id)
        yield db.session()


@contextmanager
def inside_installation(reason: str) -> Iterator[Session]:
    """A fresh scope bound to the installation's own accounts."""
    with current_app.app_context():
        enter_installation(reason)
        yield db.session()


@contextmanager
def across_organizations(reason: str) -> Iterator[Session]:
    """A session of its own that sees all organizations. Its callers are listed in a test.

    Nothing that a request parameter chooses may run under it. The caller commits.
    """
    if not reason:
        raise ValueError("say why this looks across organizations")
    with FencedSession(db, info={"is_system": True, "is_across": True}, expire_on_commit=False) as session:
        yield session


def current_organization_id() -> UUID:
    """The organization this session is bound to; `OutsideOrganizationError` if none."""
    bound_to: UUID | None = db.session.info.get("organization_id")
    if bound_to is None or bound_to == INSTALLATION:
        raise OutsideOrganizationError("this runs inside an organization only")
    return bound_to


def is_one_of(column: SQLColumnExpression[Any], ids: Iterable[UUID]) -> ColumnElement[bool]:
    """Whether a column is one of these ids, which go as one parameter.

    The statement is the same however many they are: it is prepared once, where ``IN`` would be anew.
    """
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def pool_options(pooler: str) -> dict[str, Any]:
    """Options of the engine; behind a transaction pooler no statement may be prepared.

    The connection that was used last is the next to be used: what the server keeps for a connection is warm.
    Errors do not show parameters: what people wrote is in them, and errors are logged.
    """
    options: dict[str, Any] = {
        "pool_pre_ping": True,
        "pool_use_lifo": True,
        "pool_size": 10,
        "max_overflow": 20,
        "hide_parameters": True,
    }
    if pooler == "transaction":
        options["connect_args"] = {"prepare_threshold": None}
    return options


@event.listens_for(FencedSession, "after_begin")
def _name_the_organization_to_the_database(
    session: Session, transaction: SessionTransaction, connection: Connection
) -> None:
    inside_of = session.info.get("organization_id")
    if inside_of is not None and not session.info.get("is_system"):
        _name_the_organization(connection, inside_of)


_NAMING = text("select set_config('app.organization_id', :id, true)")


def _name_the_organization(connection: Connection, organization_id: UUID) -> None:
    connection.execute(_NAMING, {"id": str(organization_id)})


@event.listens_for(FencedSession, "do_orm_execute")
def _query_inside_the_organization(state: ORMExecuteState) -> None:
    if state.is_column_load or state.session.info.get("is_across"):
        return
    if not _touches_scoped_rows(cast("ClauseElement", state.statement)):
        return
    inside_of = state.session.info.get("organization_id")
    if inside_of is None:
        raise OutsideOrganizationError("a query on scoped rows ran outside any organization")
    if state.is_insert:
        return
    state.statement = state.statement.options(*_rows_of(inside_of))


@lru_cache(maxsize=256)
def _rows_of(inside_of: UUID) -> tuple[LoaderCriteriaOption, ...]:
    """What keeps queries to the rows of an organization, or of the installation; made once for them all."""
    if inside_of == INSTALLATION:
        return (
            with_loader_criteria(
                OptionallyScoped, lambda cls: cls.organization_id.is_(None), include_aliases=True
            ),
            with_loader_criteria(
                OrganizationScoped,
                lambda cls: cls.organization_id == INSTALLATION,
                include_aliases=True,
            ),
        )
    return (
        with_loader_criteria(
            OrganizationScoped, lambda cls: cls.organization_id == inside_of, include_aliases=True
        ),
        with_loader_criteria(
            OptionallyScoped, lambda cls: cls.organization_id == inside_of, include_aliases=True
        ),
    )


@event.listens_for(FencedSession, "before_flush")
def _write_inside_the_organization(session: Session, *_: object) -> None:
    if session.info.get("is_across"):
        return
    inside_of = session.info.get("organization_id")
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, (OrganizationScoped, OptionallyScoped)):
            _stamp(row, inside_of)


def _stamp(row: OrganizationScoped | OptionallyScoped, inside_of: UUID | None) -> None:
    if inside_of is None:
        raise OutsideOrganizationError(f"a {type(row).__name__} was written outside any organization")
    if inside_of != INSTALLATION and row.organization_id is None:
        row.organization_id = inside_of
    _refuse_foreign(row, inside_of)


def _refuse_foreign(row: object, organization_id: UUID) -> None:
    if not isinstance(row, (OrganizationScoped, OptionallyScoped)):
        return
    owner = row.organization_id or INSTALLATION
    if owner != organization_id:
        raise OutsideOrganizationError(f"a {type(row).__name__} of {owner} inside {organization_id}")


def _touches_scoped_rows(statement: ClauseElement) -> bool:
    scoped = _scoped_tables()
    return any(
        element.__visit_name__ == "table" and element.name in scoped  # type: ignore[attr-defined]
        for element in visitors.iterate(statement)
    )


_scoped: frozenset[str] = frozenset()


def _scoped_tables() -> frozenset[str]:
    """Names of all tables with an ``organization_id`` of their own; grows as modules are imported."""
    global _scoped
    tables = Base.metadata.tables
    if len(_scoped) == 0 or len(tables) != _counted[0]:
        _counted[0] = len(tables)
        _scoped = frozenset(
            mapper.local_table.name  # type: ignore[attr-defined]
            for mapper in Base.registry.mappers
            if issubclass(mapper.class_, (OrganizationScoped, OptionallyScoped))
        )
    return _scoped


_counted = [0]
