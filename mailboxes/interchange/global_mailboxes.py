"""The part of a file that is about global mailboxes: what the system says of them, and whom they serve.

It comes when all organizations are there, in scopes that are bound to the installation; organizations follow
at once, so that what they say otherwise can be kept after it.
"""

from collections.abc import Iterable
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from mailboxes.conditions import Condition
from mailboxes.global_mailboxes import deleting, following, saving, system_rules
from mailboxes.global_mailboxes.saving import GlobalValues
from mailboxes.global_mailboxes.system_rules import SystemRule
from mailboxes.global_mailboxes.table import GlobalMailbox, ServedOrganization, global_mailboxes
from mailboxes.interchange.describing_globals import ALL, FIELDS_OF, described_global_mailboxes
from mailboxes.interchange.installation import apply_installation
from mailboxes.interchange.mailboxes import action_settings, fill_account
from mailboxes.interchange.routing import keep_routing
from mailboxes.interchange.values import Change, Description, compared, merged
from mailboxes.interchange.work import Work
from mailboxes.setup import Connection, MailboxValues
from tenants.database import db, enter_installation
from tenants.errors import InvalidError
from tenants.organizations import Organization

_SIMPLE = (
    ("label", "label"),
    ("aliases", "aliases"),
    ("is_enabled", "enabled"),
    ("is_shadow", "shadow"),
    ("automation_from", "automation_from"),
    ("converts_automatic", "convert_automatic"),
    ("trusted_forms", "trusted_forms"),
    ("trusted_authserv_id", "trusted_authentication_server"),
    ("answers_unaddressed", "answer_unaddressed"),
    ("signature", "signature"),
)


def apply_global_mailboxes(work: Work) -> list[Change]:
    """Make them true, for good or in a rehearsal; what changed. Commits what it keeps."""
    given = work.document.system.get("mailboxes", {})
    if not given:
        return []
    with current_app.app_context():
        enter_installation("global mailboxes are changed by a file")
        if not work.keeps:  # what they build upon is undone with them
            apply_installation(Work(work.document, work.by))
        before = described_global_mailboxes()
        wanted = merged(before, given)
        changed = _kept(before, wanted, work)
        db.session.flush()
        changes = list(compared(before, described_global_mailboxes(), ("system", "mailboxes")))
        if work.keeps:
            db.session.commit()
    if work.keeps:
        _bring(changed)
    return changes


def _kept(before: Description, wanted: Description, work: Work) -> list[UUID]:
    """The ids of those that changed, and of those that are to go."""
    changed = []
    for address in [address for address in before if address not in wanted]:
        source = _stored(address)
        deleting.begin_deleting(source, source.label, by=work.by)
        changed.append(source.id)
    for address, given in wanted.items():
        if before.get(address) != given:
            inside = work.inside("mailboxes", address)
            changed.append(_keep(address, before.get(address, {}), given, inside).id)
    return changed


def _bring(changed: Iterable[UUID]) -> None:
    for id in changed:
        following.follow(id)
        while not deleting.go_on_deleting(id) and _is_going(id):
            pass


def _is_going(id: UUID) -> bool:
    with current_app.app_context():
        enter_installation("a file takes a global mailbox away")
        source = db.session.get(GlobalMailbox, id)
        return source is not None and source.deleted_at is not None


def _keep(address: str, before: Description, wanted: Description, work: Work) -> GlobalMailbox:
    with work.at():
        source = _saved(address, before, wanted, work)
    with work.at("serves"):
        _keep_served(source, wanted, work)
    with work.at("home"):
        home = wanted.get("home")
        saving.make_home(source, _ids([home], work)[0] if home in _known() else None, by=work.by)
    with work.at("routing"):
        keep_routing(saving.account_of(source), wanted, _known(), work)
    _keep_rules(source, before.get("rules", {}), wanted.get("rules", {}), work)
    return source


def _saved(address: str, before: Description, wanted: Description, work: Work) -> GlobalMailbox:
    source = _stored(address) if before else None
    connection = saving.connection_of(source) if source is not None else Connection(None)
    current = saving.values_of(source, connection) if source is not None else GlobalValues(MailboxValues())
    values = current.mailbox
    values.address = address
    for name, word in _SIMPLE:
        setattr(values, name, wanted.get(word, getattr(MailboxValues(), name)))
    values.label = wanted.get("label", address)
    processing = wanted.get("processing", {"action": "nothing"})
    values.action = processing["action"]
    values.action_settings = action_settings(values.action, processing.get("settings", {}))
    folders = fill_account(values, connection.folders, wanted.get("account", {}))
    whole = GlobalValues(
        values,
        access={one["role"]: one.get("level", "read") for one in wanted.get("access", {}).values()},
        source=wanted.get("lead_source", ""),
        delivery_mode=wanted.get("delivery", "routed"),
        serves_all=wanted.get("serves") == ALL,
        locks={FIELDS_OF[one["field"]]: one["reason"] for one in wanted.get("locks", {}).values()},
    )
    if source is None:
        return saving.create(whole, folders, by=work.by)
    if _without(before) != _without(wanted):
        saving.change(source, whole, folders, by=work.by)
    return source


def _keep_served(source: GlobalMailbox, wanted: Description, work: Work) -> None:
    """Exactly the organizations that are named; the home is one of them."""
    named = wanted.get("serves", [])
    if named == ALL:
        return
    home = [wanted["home"]] if wanted.get("home") else []
    ids = set(_ids([*named, *home], work))
    chosen = select(ServedOrganization.organization_id)
    served = set(db.session.scalars(chosen.where(ServedOrganization.global_mailbox_id == source.id)))
    if served - ids:
        saving.make_home(source, None, by=work.by)  # put back right after
        saving.stop_serving(source, served - ids, by=work.by)
    if ids - served:
        saving.serve(source, ids - served, by=work.by)


def _ids(slugs: Iterable[str], work: Work) -> list[UUID]:
    """The organizations of these names; in a rehearsal some of them are to come with the file."""
    known = _known()
    for slug in slugs:
        if slug not in known and slug not in work.document.organizations:
            raise InvalidError(f"There is no organization {slug}. Write it under “organizations”.")
    return [known[slug] for slug in slugs if slug in known]


def _known() -> dict[str, UUID]:
    return {row[0]: row[1] for row in db.session.execute(select(Organization.slug, Organization.id))}


def _keep_rules(source: GlobalMailbox, before: Description, wanted: Description, work: Work) -> None:
    """The system's rules, in the order of the file."""
    present = dict(zip(before, system_rules.rules_of(source), strict=True))
    if list(before.items()) == list(wanted.items()):
        return
    for name in [name for name in before if name not in wanted]:
        system_rules.delete_rule(source, present.pop(name), by=work.by)
    for name, given in wanted.items():
        if before.get(name) != given:
            with work.at("rules", name):
                former = present.get(name)
                present[name] = _rule(former.key if former else system_rules.new_key(), given)
                system_rules.keep_rule(source, present[name], by=work.by)
    system_rules.order_rules(source, [present[name].key for name in wanted], by=work.by)


def _rule(key: UUID, wanted: Description) -> SystemRule:
    return SystemRule(
        key=key,
        name=wanted["name"],
        conditions=tuple(
            Condition(one["field"], one["operator"], one.get("value", ""))
            for one in wanted.get("conditions", [])
        ),
        template=wanted.get("template", ""),
        is_active=wanted.get("active", True),
    )


def _stored(address: str) -> GlobalMailbox:
    return db.session.scalars(global_mailboxes().where(GlobalMailbox.address == address)).one()


def _without(described: Description) -> Description:
    """What `saving.change` keeps: whom it serves and its rules are kept apart."""
    apart = {"rules", "routing", "home", *(() if described.get("serves") == ALL else ("serves",))}
    return {key: value for key, value in described.items() if key not in apart}
