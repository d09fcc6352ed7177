"""A document becomes true: first rehearsed as a whole and undone, then for good.

Every organization is a transaction of its own; global mailboxes come when all of them are there, and what
organizations say otherwise of these after that. The rehearsal runs all of it to its end, so that a mistake
anywhere in the file is found before anything is kept.
"""

from flask import current_app
from sqlalchemy import select

from mailboxes.interchange import dictionaries
from mailboxes.interchange import organization as acts
from mailboxes.interchange.describing import describe_organization
from mailboxes.interchange.describing_globals import describe_overrides
from mailboxes.interchange.global_mailboxes import apply_global_mailboxes
from mailboxes.interchange.installation import apply_installation
from mailboxes.interchange.mailboxes import keep_mailboxes
from mailboxes.interchange.offers import one_default
from mailboxes.interchange.overrides import keep_overrides
from mailboxes.interchange.reading import Document
from mailboxes.interchange.values import Change, Description, compared, merged
from mailboxes.interchange.webhooks import keep_webhooks
from mailboxes.interchange.work import Work
from mailboxes.offering import carry_offers, create_organization, offer_dictionaries
from tenants.audit import Actor, record_for_system
from tenants.database import db, enter_organization
from tenants.errors import InvalidError
from tenants.offers import current_revision
from tenants.organizations import Organization
from tenants.users import user_by_address


def plan(document: Document, *, by: Actor) -> list[Change]:
    """What `apply` would change. Nothing is kept. `FileError` if something cannot be done."""
    return _carry_out(document, by, keep=False)


def apply(document: Document, *, by: Actor) -> list[Change]:
    """Make a document true, or raise `FileError` and change nothing; what changed."""
    plan(document, by=by)
    return _carry_out(document, by, keep=True)


def _carry_out(document: Document, by: Actor, *, keep: bool) -> list[Change]:
    changes: list[Change] = []
    with current_app.app_context():  # a session of its own, bound to no organization
        changes += apply_installation(Work(document, by))
        _end(keep=keep)
        if keep:
            carry_offers()
    for slug in document.organizations:
        with current_app.app_context():
            if not keep:  # what an organization builds upon is undone with it
                apply_installation(Work(document, by))
            work = Work(document, by, ("organizations", slug), keeps=keep)
            changes += _apply_organization(slug, work)
            _end(keep=keep)
    changes += apply_global_mailboxes(Work(document, by, ("system",), keeps=keep))
    return changes + (_override_at_last(document, by) if keep else [])


def _override_at_last(document: Document, by: Actor) -> list[Change]:
    """What organizations say otherwise of global mailboxes that the same file brought to them."""
    changes: list[Change] = []
    for slug, given in document.organizations.items():
        with current_app.app_context():
            organization = db.session.scalars(select(Organization).where(Organization.slug == slug)).one()
            enter_organization(organization.id)
            work = Work(document, by, ("organizations", slug), keeps=True)
            before = describe_overrides()
            wanted = merged(before, given.get("global_mailboxes", {}))
            keep_overrides(before, wanted, work)
            place = (f"organization {slug}", "global_mailboxes")
            changes += compared(before, describe_overrides(), place)
            db.session.commit()
    return changes


def _end(*, keep: bool) -> None:
    if keep:
        db.session.commit()
    else:
        db.session.rollback()


def _apply_organization(slug: str, work: Work) -> list[Change]:
    given = work.document.organizations[slug]
    place = (f"organization {slug}",)
    organization = db.session.scalar(select(Organization).where(Organization.slug == slug))
    if organization is not None and organization.deleted_at is not None:
        with work.at():
            raise InvalidError(f"{organization.name} is being deleted. Apply the file when it is gone.")
    changes = [] if organization is not None else [Change("+", place, None, {})]
    if organization is None:
        organization = _created(slug, given, work)
    else:
        enter_organization(organization.id)
        if organization.offers_revision != current_revision():
            offer_dictionaries()  # in a rehearsal, the system's offers may just have changed
    before = _matched(describe_organization(organization), given)
    _make_true(organization, before, given, work)
    db.session.flush()
    return [
        *changes,
        *compared(before, describe_organization(organization), place),
        *work.extra,
    ]


def _created(slug: str, given: Description, work: Work) -> Organization:
    with work.at():
        if "name" not in given:
            raise InvalidError(f"The organization {slug} is new. Write “name: …” for it.", field="name")
        created = create_organization(given["name"], slug, by=work.by.name)
        if created.slug != slug:
            raise InvalidError("Write the slug in lower case.", field="slug")
        record_for_system(work.by, "organization.created", created.name)
        return created


def _matched(current: Description, given: Description) -> Description:
    return current | {
        "lead_sources": dictionaries.matched_sources(current["lead_sources"], given.get("lead_sources", {})),
    }


def _make_true(organization: Organization, current: Description, given: Description, work: Work) -> None:
    wanted = merged(current, _known_names(given))
    wanted["lead_sources"] = one_default(wanted["lead_sources"], given.get("lead_sources", {}))
    acts.keep_organization(organization, current, wanted, work)
    for section, keep in (
        ("roles", acts.keep_roles),
        ("members", acts.keep_members),
        ("settings", acts.keep_settings),
        ("lead_sources", dictionaries.keep_lead_sources),
        ("channels", acts.keep_channels),
        ("tags", acts.keep_tags),
        ("templates", dictionaries.keep_templates),
        ("mailboxes", keep_mailboxes),
        ("global_mailboxes", keep_overrides),
        ("webhooks", keep_webhooks),
        ("templates", dictionaries.remove_templates),
        ("lead_sources", dictionaries.remove_lead_sources),
        ("roles", acts.remove_roles),
    ):
        keep(current.get(section, {}), wanted.get(section, {}), work)


def _known_names(given: Description) -> Description:
    """A person who is known already keeps the name they go by."""
    members = {
        address: {key: value for key, value in one.items() if key != "name"}
        if user_by_address(address) is not None
        else one
        for address, one in given.get("members", {}).items()
    }
    return given | {"members": members} if members else given
