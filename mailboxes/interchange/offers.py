"""The part of a file that is about what the system offers: lead sources and email templates."""

from typing import cast

from mailboxes.crm import system_sources as sources
from mailboxes.crm.system_sources import SystemLeadSource
from mailboxes.interchange.describing import describe_system
from mailboxes.interchange.values import Change, Description, Ranked, compared, merged
from mailboxes.interchange.work import Work
from mailboxes.offering import withdraw_lead_source, withdraw_template
from mailboxes.templates import TemplateValues
from mailboxes.templates.system import (
    SystemTemplate,
    save_system_template,
    system_templates,
)
from tenants.audit import record_for_system
from tenants.database import db
from tenants.errors import InvalidError

SECTIONS = ("lead_sources", "templates")


def apply_offers(work: Work) -> list[Change]:
    """Make what the system offers true; what changed."""
    given = {name: work.document.system.get(name, {}) for name in SECTIONS}
    if not any(given.values()):
        return []
    before = _offered()
    wanted = cast("Description", merged(before, given))
    _keep_sources(before["lead_sources"], one_default(wanted["lead_sources"], given["lead_sources"]), work)
    _keep_templates(before["templates"], wanted["templates"], work)
    return list(compared(before, _offered(), ("system",)))


def one_default(wanted: Description, given: Description) -> Description:
    """``wanted`` lead sources, where the file's default takes the place of the former one."""
    chosen = [key for key, one in given.items() if isinstance(one, dict) and one.get("default")]
    if not chosen:
        return wanted
    return Ranked((key, {**one, "default": key == chosen[-1]}) for key, one in wanted.items())


def texts_from(given: Description) -> dict[str, tuple[str, str]]:
    """Subject and content by language, as templates take them."""
    texts = given.get("texts") or {}
    return {language: (one.get("subject", ""), one.get("content", "")) for language, one in texts.items()}


def _offered() -> Description:
    described = describe_system()
    return {name: described[name] for name in SECTIONS}


def _keep_sources(current: Description, wanted: Description, work: Work) -> None:
    if current == wanted:
        return
    present = {one.key: one for one in db.session.scalars(sources.system_sources())}
    renamed = [key for key, one in present.items() if key in wanted and one.name != wanted[key]["name"]]
    for key in renamed:  # sources may change names among themselves
        present[key].name = f"\x01{key}"
    db.session.flush()
    for key in renamed:
        with work.at("lead_sources", key):
            sources.rename_system_source(present[key], wanted[key]["name"])
    for key in [key for key in wanted if key not in present]:
        with work.at("lead_sources", key):
            present[key] = _added_source(key, wanted[key])
    _show_sources(present, wanted, work)
    for key in [key for key in current if key not in wanted]:
        with work.at("lead_sources", key):
            withdraw_lead_source(present[key])
    sources.order_system_sources(list(wanted))
    record_for_system(work.by, "lead_source.offered", ", ".join(wanted), dict(current), _offered())


def _added_source(key: str, wanted: Description) -> SystemLeadSource:
    source = sources.add_system_source(wanted.get("name", key), key)
    if source.key != key:
        raise InvalidError("Use lower-case letters, digits and _ for a key.", field="key")
    return source


def _show_sources(present: dict[str, SystemLeadSource], wanted: Description, work: Work) -> None:
    for key, one in wanted.items():
        if one.get("default") and not present[key].is_default:
            sources.make_default_system_source(present[key])
    for key, one in wanted.items():
        if present[key].is_hidden != one.get("hidden", False):
            with work.at("lead_sources", key):
                sources.hide_system_source(present[key], is_hidden=one.get("hidden", False))


def _keep_templates(current: Description, wanted: Description, work: Work) -> None:
    present: dict[str, SystemTemplate] = {one.key: one for one in db.session.scalars(system_templates())}
    for key in [key for key in current if key not in wanted]:
        with work.at("templates", key):
            withdraw_template(present.pop(key), by=work.by)
    for key, one in wanted.items():
        if current.get(key) == one:
            continue
        with work.at("templates", key):
            values = TemplateValues(
                one.get("name", key),
                one.get("type", "plain"),
                tuple(one.get("used_for", ["message"])),
                texts_from(one),
            )
            saved = save_system_template(values, present.get(key), by=work.by, key=key)
            if saved.key != key:
                raise InvalidError("Use lower-case letters, digits and _ for a key.", field="key")
