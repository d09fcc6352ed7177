"""System administrators set up a global mailbox: its account, whom it serves, and what the system says.

All of it is the installation's, so the session is bound to the installation and the door commits once; then
`mailboxes.global_mailboxes.following.follow` brings it to the organizations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from mailboxes.accounts import Account
from mailboxes.global_mailboxes.checking import checked_label, checked_processing
from mailboxes.global_mailboxes.fields import FIELDS, locks_of, renewed, with_locks
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization, global_mailboxes
from mailboxes.setup import Connection, FolderChoice, MailboxValues, known_folders
from mailboxes.setup.demands import LEVELS, demand_connection, normalize
from mailboxes.setup.values import ACCOUNT_FIELDS, for_the_record, synced_folders
from mailboxes.setup.writing import fill_account, fill_whole_account, keep_folders
from tenants.audit import Actor, record_for_system
from tenants.database import db, now
from tenants.database.locks import hold_row
from tenants.errors import ConflictError, InvalidError, NotFoundError
from tenants.organizations import Organization

MODES = {"routed": "Routed", "copied": "Copied"}
_SIMPLE = ("converts_automatic", "trusted_forms", "answers_unaddressed", "signature")


@dataclass
class GlobalValues:
    """Everything the system's page of a global mailbox holds but its rules and the organizations chosen.

    ``access`` maps the key of a system role to read or reply, ``source`` is the key of a lead source,
    ``locks`` maps fields to the reason why organizations may not override them. In ``mailbox`` are the
    connection and what else the system says; its grants are nobody's.
    """

    mailbox: MailboxValues = field(default_factory=MailboxValues)
    access: dict[str, str] = field(default_factory=dict)
    source: str = ""
    delivery_mode: str = "routed"
    serves_all: bool = False
    locks: dict[str, str] = field(default_factory=dict)


def global_mailbox_of(id: UUID) -> GlobalMailbox:
    """A global mailbox that is not being deleted; `NotFoundError` if there is none."""
    source = db.session.get(GlobalMailbox, id)
    if source is None:
        raise NotFoundError("This mailbox does not exist.")
    _demand_stays(source)
    return source


def account_of(source: GlobalMailbox) -> Account:
    """The installation's account that it reads."""
    return db.session.get_one(Account, source.account_id)


def connection_of(source: GlobalMailbox) -> Connection:
    """That account with its folders."""
    account = account_of(source)
    return Connection(account, known_folders(account), synced_folders(account))


def values_of(source: GlobalMailbox, connection: Connection) -> GlobalValues:
    """A stored global mailbox as its page holds it; passwords stay out."""
    account = account_of(source)
    processing = source.said("processing")
    said = {name: source.said(name) for name in (*_SIMPLE, "label", "automation_from")}
    given = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
    mailbox = MailboxValues(
        **given,
        **said | {"automation_from": datetime.fromisoformat(said["automation_from"])},
        address=source.address,
        aliases=list(source.aliases),
        is_enabled=source.is_enabled,
        is_shadow=source.is_shadow,
        trusted_authserv_id=source.trusted_authserv_id,
        action=processing["action"],
        action_settings=dict(processing["settings"]),
        folders=list(connection.synced),
    )
    return GlobalValues(
        mailbox,
        access=dict(source.said("access")),
        source=source.said("source"),
        delivery_mode=account.delivery_mode,
        serves_all=source.serves_all,
        locks=locks_of(source.values),
    )


def create(values: GlobalValues, folders: list[FolderChoice], *, by: Actor) -> GlobalMailbox:
    """A new global mailbox with its account. `InvalidError` at the field that is wrong."""
    said = _checked(values, None)
    demand_connection(values.mailbox, None, folders)
    account = Account(address=values.mailbox.address)
    fill_account(account, values.mailbox, None)
    keep_folders(account, folders, values.mailbox.folders)
    source = GlobalMailbox(account_id=account.id)
    db.session.add(source)
    _fill(source, account, values, said | {"rules": []}, by)
    record_for_system(by, "mailbox.created", source.label, {}, _for_the_record(values))
    return source


def change(source: GlobalMailbox, values: GlobalValues, folders: list[FolderChoice], *, by: Actor) -> None:
    """What the page says becomes true. What is here stays, wherever is read from now on."""
    lock(source)  # its rules may have changed meanwhile
    connection = connection_of(source)
    before = _for_the_record(values_of(source, connection))
    said = _checked(values, source)
    folders = folders or connection.folders
    account = account_of(source)
    demand_connection(values.mailbox, account, folders)
    fill_whole_account(account, values.mailbox, folders)
    _fill(source, account, values, said | {"rules": source.said("rules")}, by)
    if account.home_organization_id is not None and not source.serves_all:
        serve(source, [account.home_organization_id], by=by)  # though all the others are let go
    record_for_system(by, "mailbox.changed", source.label, *_changes(before, values))


def lock(source: GlobalMailbox) -> None:
    """Read it anew and keep all others out until the end, so that nothing of what they saved is lost.

    `NotFoundError` if one of them deletes it.
    """
    hold_row(source, key_share=False)
    _demand_stays(source)


def say(source: GlobalMailbox, field: str, value: Any, *, by: Actor) -> None:
    """Change one value of the system's, and nothing else. The caller has locked it."""
    source.values = {**source.values, **renewed(source.values, {field: value}, by.name, now())}
    changed(source)


def switch(source: GlobalMailbox, *, is_enabled: bool, by: Actor) -> None:
    """Pause it for everybody, or let it fetch again."""
    lock(source)
    account = account_of(source)
    account.is_enabled = is_enabled
    account.next_attempt_at = now()
    say(source, "enabled", is_enabled, by=by)
    record_for_system(by, "mailbox.resumed" if is_enabled else "mailbox.paused", source.label)


def sync_soon(source: GlobalMailbox) -> None:
    """Make its account due at once, whatever its back-off says."""
    account_of(source).next_attempt_at = now()


def serve(source: GlobalMailbox, organizations: Iterable[UUID], *, by: Actor) -> int:
    """Serve these organizations too; how many are new."""
    lock(source)
    names = _names(organizations)
    rows = [{"global_mailbox_id": source.id, "organization_id": id} for id in names]
    if not rows:
        return 0
    added = db.session.scalars(
        insert(ServedOrganization)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(ServedOrganization.organization_id)
    ).all()
    return _told(source, "mailbox.served", [names[id] for id in added], by)


def stop_serving(source: GlobalMailbox, organizations: Iterable[UUID], *, by: Actor) -> int:
    """Serve these no more: their mailboxes keep what they hold, and rest. How many they were."""
    lock(source)
    names = _names(organizations)
    home = account_of(source).home_organization_id
    if home in names:
        raise ConflictError(f"{names[home]} is the home organization. Choose another home first, or none.")
    gone = db.session.scalars(
        delete(ServedOrganization)
        .where(
            ServedOrganization.global_mailbox_id == source.id,
            ServedOrganization.organization_id.in_(names),
        )
        .returning(ServedOrganization.organization_id)
    ).all()
    return _told(source, "mailbox.no_longer_served", [names[id] for id in gone], by)


def make_home(source: GlobalMailbox, organization_id: UUID | None, *, by: Actor) -> None:
    """Deliver what no rule routes to this organization, which is served then; None: keep it outside all."""
    lock(source)
    account = account_of(source)
    before = account.home_organization_id
    if organization_id is not None and not _names([organization_id]):
        raise NotFoundError("This organization does not exist.")
    if before == organization_id:
        return
    account.home_organization_id = organization_id
    if organization_id is not None and not source.serves_all:
        serve(source, [organization_id], by=by)
    named = _names([id for id in (before, organization_id) if id is not None])
    record_for_system(
        by,
        "mailbox.changed",
        source.label,
        {"home": named.get(before, "") if before else ""},
        {"home": named.get(organization_id, "") if organization_id else ""},
    )
    db.session.flush()


def go_live(source: GlobalMailbox, *, by: Actor) -> None:
    """End shadow mode wherever nobody says otherwise; automation begins with what arrives then."""
    lock(source)
    if not source.is_shadow:
        raise ConflictError("This mailbox is live already.")
    say(source, "shadow", False, by=by)
    record_for_system(by, "mailbox.live", source.label, {"is_shadow": True}, {"is_shadow": False})


def changed(source: GlobalMailbox) -> None:
    """Something is otherwise: whoever follows has to be told."""
    source.version = GlobalMailbox.version + 1
    db.session.flush()


def _checked(values: GlobalValues, source: GlobalMailbox | None) -> dict[str, Any]:
    """What the system says, ready to be stored; the values are put in order on the way."""
    mailbox = values.mailbox
    normalize(mailbox, account_of(source) if source is not None else None)
    mailbox.label = checked_label(mailbox.label)
    _demand_free(mailbox, source)
    if values.delivery_mode not in MODES:
        raise InvalidError("Choose how messages are delivered.", field="delivery_mode")
    if not set(values.access.values()) <= set(LEVELS):
        raise InvalidError("Choose roles from the list.", field="access")
    _demand_reasons(values.locks)
    processing = {"action": mailbox.action, "settings": mailbox.action_settings}
    return {
        "label": mailbox.label,
        "enabled": mailbox.is_enabled,
        "shadow": mailbox.is_shadow,
        "processing": checked_processing(processing, of_system=True),
        "owner": "",
        "source": values.source,
        "automation_from": mailbox.automation_from.isoformat(),
        "access": dict(sorted(values.access.items())),
        **{name: getattr(mailbox, name) for name in _SIMPLE},
    }


def _demand_stays(source: GlobalMailbox) -> None:
    if source.deleted_at is not None:
        raise NotFoundError(f"{source.label} is being deleted. Nothing of it can be changed any more.")


def _demand_reasons(locks: Mapping[str, str]) -> None:
    for name, reason in locks.items():
        if name not in FIELDS or not reason.strip():
            raise InvalidError(
                "Say why this is locked: organizations read the reason.", field=f"reason-{name}"
            )


def _demand_free(mailbox: MailboxValues, source: GlobalMailbox | None) -> None:
    for other in db.session.scalars(global_mailboxes()):
        if source is not None and other.id == source.id:
            continue
        if other.label.casefold() == mailbox.label.casefold():
            raise InvalidError(
                f"Another global mailbox is called {other.label}. Choose another label.", field="label"
            )
        if other.address == mailbox.address:
            raise InvalidError(
                f"The global mailbox {other.label} has this address already. Change that one instead.",
                field="address",
            )


def _fill(
    source: GlobalMailbox, account: Account, values: GlobalValues, said: Mapping[str, Any], by: Actor
) -> None:
    source.address, source.aliases = values.mailbox.address, list(values.mailbox.aliases)
    source.trusted_authserv_id = values.mailbox.trusted_authserv_id
    source.serves_all = values.serves_all
    source.values = with_locks(renewed(source.values or {}, said, by.name, now()), values.locks)
    account.delivery_mode = values.delivery_mode
    account.is_enabled = values.mailbox.is_enabled
    source.version = (source.version or 0) + 1
    db.session.flush()


def _names(organizations: Iterable[UUID]) -> dict[UUID, str]:
    query = select(Organization.id, Organization.name).where(Organization.id.in_(list(organizations)))
    return {row[0]: row[1] for row in db.session.execute(query)}


def _told(source: GlobalMailbox, act: str, names: list[str], by: Actor) -> int:
    if names:
        changed(source)
        record_for_system(by, act, source.label, {}, {"organizations": sorted(names)})
    return len(names)


def _for_the_record(values: GlobalValues) -> dict[str, Any]:
    return for_the_record(values.mailbox) | {
        "access": dict(values.access),
        "source": values.source,
        "delivery_mode": values.delivery_mode,
        "serves_all": values.serves_all,
        "locked": dict(sorted(values.locks.items())),
    }


def _changes(before: dict[str, Any], values: GlobalValues) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was otherwise before, and what it is now."""
    after = _for_the_record(values)
    names = [name for name in after if before.get(name) != after[name]]
    given = {"imap_password": values.mailbox.imap_password, "smtp_password": values.mailbox.smtp_password}
    passwords = {name: "changed" for name, value in given.items() if value}
    return {name: before.get(name) for name in names}, {name: after[name] for name in names} | passwords
