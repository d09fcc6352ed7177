"""The mailboxes of served organizations follow what the system says, all of them in a few statements.

A save of the system is committed first, with a new version; then the mailboxes that have another version are
brought it. Whatever dies in between is finished by `catch_up`, which the schedule calls: served organizations
without a mailbox and mailboxes of an old version are found by a query, and bringing them up is idempotent.
Only the id of a global mailbox is given to these statements; what they write comes from its row.
"""

from uuid import UUID

import structlog
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mailboxes.global_mailboxes.settling import settle
from mailboxes.global_mailboxes.table import GlobalMailbox, global_mailboxes
from mailboxes.system_mailboxes import Mailbox
from mailboxes.templates import offer_system_templates
from tenants.database import INSTALLATION, across_organizations, current_organization_id, db, inside, uuid7

AT_ONCE = 5_000  # organizations in one transaction

log = structlog.get_logger()

_IS_ALIVE = GlobalMailbox.deleted_at.is_(None)

_IS_WANTED = """(g.deleted_at IS NULL AND (g.serves_all OR EXISTS (
    SELECT 1 FROM served_organizations s
    WHERE s.global_mailbox_id = g.id AND s.organization_id = {organization})))"""
_WITHOUT_MAILBOX = f"""
    FROM organizations o WHERE {_IS_WANTED.format(organization="o.id")} AND NOT EXISTS (
      SELECT 1 FROM mailboxes m WHERE m.organization_id = o.id AND m.global_mailbox_id = g.id)
"""  # noqa: S608  # only our own text is filled in
_BEHIND = text(
    f"""
    SELECT g.id FROM global_mailboxes g WHERE g.deleted_at IS NULL AND (EXISTS (SELECT 1 {_WITHOUT_MAILBOX})
      OR EXISTS (SELECT 1 FROM mailboxes m WHERE m.global_mailbox_id = g.id AND m.deleted_at IS NULL
                 AND m.system_version <> g.version))
    """  # noqa: S608
)
_NEWLY_SERVED = text(
    f"SELECT o.id FROM global_mailboxes g CROSS JOIN LATERAL (SELECT o.id {_WITHOUT_MAILBOX}) o"  # noqa: S608
    " WHERE g.id = :id LIMIT :most"
)
_WITHOUT_TEMPLATE = text(
    f"""
    SELECT DISTINCT o.id FROM global_mailboxes g
    CROSS JOIN jsonb_array_elements(g.values #> '{{rules,value}}') AS r
    JOIN organizations o ON {_IS_WANTED.format(organization="o.id")}
    WHERE g.id = :id AND NOT EXISTS (SELECT 1 FROM templates t
      WHERE t.organization_id = o.id AND t.system_key = r->>'template')
    """  # noqa: S608
)
_BRING = text(
    f"""
    UPDATE mailboxes m SET account_id = g.account_id, address = g.address, aliases = g.aliases,
      trusted_authserv_id = g.trusted_authserv_id, system_values = g.values, system_version = g.version,
      is_served = {_IS_WANTED.format(organization="m.organization_id")}
    FROM global_mailboxes g
    WHERE g.id = :id AND m.global_mailbox_id = g.id AND m.organization_id IN (
      SELECT organization_id FROM mailboxes
      WHERE global_mailbox_id = :id AND system_version <> g.version AND deleted_at IS NULL
      LIMIT :most)
    RETURNING m.organization_id
    """  # noqa: S608
)


def follow(global_mailbox_id: UUID) -> None:
    """Bring what the system says of a global mailbox to every organization that lacks it; commits."""
    _offer_templates(global_mailbox_id)
    try:
        _follow(global_mailbox_id)
    except IntegrityError:  # somebody took a label or deleted an organization at this very moment
        log.warning("a global mailbox is followed at the next sweep", id=str(global_mailbox_id))


def catch_up() -> None:
    """Finish what was interrupted, and serve organizations that were made meanwhile; commits."""
    with across_organizations("the sweep finds mailboxes that a change has not reached") as session:
        behind = list(session.scalars(_BEHIND))
    for id in behind:
        follow(id)


def serve_new_organization() -> None:
    """Give the current organization, which is being made, what serves all of them; twice is once."""
    organization_id = current_organization_id()
    with across_organizations("a new organization begins with the mailboxes that serve all") as session:
        serving = list(session.scalars(global_mailboxes().where(GlobalMailbox.serves_all, _IS_ALIVE)))
    present = set(db.session.scalars(select(Mailbox.global_mailbox_id)))
    for source in serving:
        if source.id in present:
            continue
        db.session.execute(insert(Mailbox), [_begun(source, organization_id)])
        settle(db.session(), source.id, [organization_id])


def _follow(id: UUID) -> None:
    with across_organizations("what the system says is brought to the organizations served") as session:
        while _follow_some(session, id):
            session.commit()


def _follow_some(session: Session, id: UUID) -> bool:
    """Whether something was behind. The lock on the global mailbox lets one at a time do this."""
    source = session.get(GlobalMailbox, id, with_for_update=True, populate_existing=True)
    if source is None:
        return False
    given = {"id": id, "most": AT_ONCE}
    newly = list(session.scalars(_NEWLY_SERVED, given))
    if newly:
        session.execute(insert(Mailbox), [_begun(source, organization_id) for organization_id in newly])
    behind = [*newly, *session.scalars(_BRING, given)]
    if behind:
        settle(session, id, behind)
    return bool(behind)


def _begun(source: GlobalMailbox, organization_id: UUID) -> dict[str, object]:
    """A mailbox that follows from now on; what applies in it is not settled yet."""
    id = uuid7()
    return {
        "organization_id": organization_id,
        "id": id,
        "global_mailbox_id": source.id,
        "account_id": source.account_id,
        "account_owner_id": INSTALLATION,
        "address": source.address,
        "aliases": source.aliases,
        "trusted_authserv_id": source.trusted_authserv_id,
        "system_values": source.values,
        "system_version": source.version,
        "label": str(id),
        "is_enabled": False,
        "rules_from": "system",
    }


def _offer_templates(id: UUID) -> None:
    """The system's rules answer with each organization's copy of the system's templates."""
    with across_organizations(
        "the sweep finds organizations without a template that a rule needs"
    ) as session:
        lacking = list(session.scalars(_WITHOUT_TEMPLATE, {"id": id}))
    for organization_id in lacking:
        with inside(organization_id):
            offer_system_templates()
            db.session.commit()
