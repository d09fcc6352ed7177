"""The part of a file that is about the lead sources and email templates of one organization.

What is left out of a copy of the system's follows the system; ``null`` lets it follow again.
"""

from mailboxes.conversion import merge_lead_sources, remove_lead_source
from mailboxes.crm import lead_sources
from mailboxes.crm.lead_sources import DEFAULT, HIDDEN, NAME, LeadSource
from mailboxes.interchange.describing import template_name
from mailboxes.interchange.offers import texts_from
from mailboxes.interchange.values import Description, Ranked
from mailboxes.interchange.work import Work
from mailboxes.rules import delete_template
from mailboxes.templates import (
    Template,
    TemplateValues,
    hide_template,
    offered_values_of,
    save_template,
    templates,
)
from tenants.audit import record
from tenants.database import db
from tenants.errors import InvalidError


def matched_sources(current: Description, given: Description) -> Description:
    """``current`` with a system's source under the key that the file gives it."""
    keys = {one["system"]: key for key, one in given.items() if isinstance(one, dict) and "system" in one}
    renamed = {key: keys.get(one.get("system", key), key) for key, one in current.items()}
    return Ranked((renamed[key], {**one, "key": renamed[key]}) for key, one in current.items())


def keep_lead_sources(current: Description, wanted: Description, work: Work) -> None:
    """Sources in the order of the file: their names first, the system's before those that are new."""
    present = _sources()
    _keep_keys(present, wanted)
    _keep_names(present, wanted, work)
    for key in [key for key in wanted if key not in present]:
        with work.at("lead_sources", key):
            present[key] = _added(key, wanted[key], work)
    _keep_default(present, wanted, work)
    for key, one in wanted.items():
        with work.at("lead_sources", key):
            _show(present[key], one, work)
    _keep_order(present, current, wanted, work)
    for key, one in wanted.items():
        with work.at("lead_sources", key):
            _keep_merged(present[key], one.get("merged_into"), work)


def remove_lead_sources(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent, if nothing uses them."""
    for key in [key for key in current if key not in wanted]:
        source = _sources().get(key)
        if source is not None:
            with work.at("lead_sources", key):
                remove_lead_source(source)
            record(work.by, "lead_source.removed", source.name)


def keep_templates(current: Description, wanted: Description, work: Work) -> None:
    """Email templates in their languages, copies of the system's first: they may free a name."""
    present = {template_name(one): one for one in db.session.scalars(templates())}
    changed = [name for name, one in wanted.items() if current.get(name) != one]
    for name in sorted(changed, key=lambda name: "system" not in wanted[name]):
        with work.at("templates", name):
            template = present.get(name)
            if "system" in wanted[name]:
                saved = _keep_copy(_demanded(template, wanted[name]["system"]), wanted[name], work)
            else:
                saved = save_template(_values(name, wanted[name]), template, by=work.by)
            hide_template(saved, is_hidden=wanted[name].get("hidden", False), by=work.by)


def remove_templates(current: Description, wanted: Description, work: Work) -> None:
    """Those that the file calls absent, if no rule answers with them."""
    present = {template_name(one): one for one in db.session.scalars(templates())}
    for name in [name for name in current if name not in wanted]:
        with work.at("templates", name):
            delete_template(present[name], by=work.by)


def _sources() -> dict[str, LeadSource]:
    everything = [
        *db.session.scalars(lead_sources.lead_sources()),
        *db.session.scalars(lead_sources.merged_lead_sources()),
    ]
    return {source.key: source for source in everything}


def _keep_keys(present: dict[str, LeadSource], wanted: Description) -> None:
    """A copy of the system's may go by another key here, which it had before the system offered it."""
    copies = {source.system_key: source for source in present.values() if source.system_key}
    for key, one in wanted.items():
        source = copies.get(one.get("system"))
        if source is not None and source.key != key:
            del present[source.key]
            source.key, present[key] = key, source
    db.session.flush()


def _keep_names(present: dict[str, LeadSource], wanted: Description, work: Work) -> None:
    renamed = {
        key: source.name
        for key, source in present.items()
        if "name" in wanted.get(key, {}) and (wanted[key]["name"] != source.name or source.follows(NAME))
    }
    for key in renamed:  # sources may change names among themselves
        present[key].name = f"\x01{key}"
    db.session.flush()
    for key, source in present.items():
        if source.system_key and not source.follows(NAME) and "name" not in wanted.get(key, {}):
            lead_sources.follow_system(source, NAME)
            record(work.by, "lead_source.followed", source.name)
    for key, former in renamed.items():
        with work.at("lead_sources", key):
            lead_sources.rename_lead_source(present[key], wanted[key]["name"])
        record(work.by, "lead_source.renamed", former, after={"name": present[key].name})


def _added(key: str, wanted: Description, work: Work) -> LeadSource:
    source = lead_sources.add_lead_source(wanted.get("name", key), key)
    if source.key != key:
        raise InvalidError("Use lower-case letters, digits and _ for a key.", field="key")
    record(work.by, "lead_source.added", source.name)
    return source


def _keep_default(present: dict[str, LeadSource], wanted: Description, work: Work) -> None:
    chosen = next((present[key] for key, one in wanted.items() if one.get("default")), None)
    if chosen is None and lead_sources.is_list_own(DEFAULT, list(present.values())):
        lead_sources.follow_system_list(DEFAULT)
        record(work.by, "lead_source.followed", "Default")
    elif chosen is not None and DEFAULT not in chosen.overrides:
        lead_sources.make_default_lead_source(chosen)
        record(work.by, "lead_source.default", chosen.name)


def _show(source: LeadSource, wanted: Description, work: Work) -> None:
    if source.merged_into_id is not None:
        return
    if "hidden" not in wanted and source.system_key and not source.follows(HIDDEN):
        lead_sources.follow_system(source, HIDDEN)
        record(work.by, "lead_source.followed", source.name)
    elif wanted.get("hidden", source.is_hidden) != source.is_hidden or (
        "hidden" in wanted and source.follows(HIDDEN)
    ):
        lead_sources.hide_lead_source(source, is_hidden=wanted["hidden"])
        record(work.by, "lead_source.hidden" if source.is_hidden else "lead_source.shown", source.name)


def _keep_order(
    present: dict[str, LeadSource], current: Description, wanted: Description, work: Work
) -> None:
    if list(wanted) == [key for key in current if key in wanted]:
        return
    shown = [present[key].id for key in wanted if present[key].merged_into_id is None]
    lead_sources.order_lead_sources(shown)
    record(work.by, "lead_source.moved", "All", after={"order": ", ".join(wanted)})


def _keep_merged(source: LeadSource, wanted: str | None, work: Work) -> None:
    into = lead_sources.lead_source_with_key(wanted) if wanted else None
    if wanted and into is None:
        raise InvalidError(f"There is no lead source {wanted} here.", field="merged_into")
    if into is None and source.merged_into_id is not None:
        lead_sources.take_apart(source)
        record(work.by, "lead_source.shown", source.name)
    elif into is not None and source.merged_into_id is None:
        merge_lead_sources(source, into, by=work.by.name)
        record(work.by, "lead_source.merged", source.name, after={"into": into.name})


def _demanded(template: Template | None, key: str) -> Template:
    if template is None:
        raise InvalidError(
            f"The system offers no template {key}. Write it under “system: templates”.", field="system"
        )
    return template


def _keep_copy(template: Template, wanted: Description, work: Work) -> Template:
    offered = offered_values_of(template)
    assert offered is not None  # noqa: S101  # a copy of the system's
    values = TemplateValues(
        wanted.get("name", offered.name),
        wanted.get("type", offered.kind),
        tuple(wanted.get("used_for", offered.used_for)),
        texts_from(wanted),
    )
    named = {"name": "name", "type": "kind", "used_for": "used_for"}
    own = {field for name, field in named.items() if name in wanted} | {
        f"text.{language}" for language in values.texts
    }
    fields = {*named.values(), *(f"text.{language}" for language in {**offered.texts, **values.texts})}
    return save_template(values, template, by=work.by, follows=fields - own)


def _values(name: str, wanted: Description) -> TemplateValues:
    used_for = tuple(wanted.get("used_for", ["message"]))
    return TemplateValues(name, wanted.get("type", "plain"), used_for, texts_from(wanted))
