"""The email templates that the system offers to every organization (`carrying` brings them)."""

from datetime import datetime

from sqlalchemy import ForeignKey, Select, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes.crm.system_sources import free_key
from mailboxes.templates.built_in import BUILT_IN_TEMPLATES
from mailboxes.templates.values import (
    InvalidTemplateError,
    TemplateValues,
    checked_name,
    checked_texts,
    free_name,
)
from tenants import audit, offers
from tenants.audit import Actor
from tenants.database import Base, db, now
from tenants.errors import ConflictError, NotFoundError

KIND = "templates"


class SystemTemplate(Base):
    """One template that every organization has until it decides otherwise."""

    __tablename__ = "system_templates"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(default="plain")
    used_for: Mapped[list[str]] = mapped_column(default=lambda: ["message"])
    updated_at: Mapped[datetime] = mapped_column(default=now)


class SystemTemplateText(Base):
    """Subject and content in one language."""

    __tablename__ = "system_template_texts"

    template_key: Mapped[str] = mapped_column(
        ForeignKey("system_templates.key", ondelete="CASCADE"), primary_key=True
    )
    language: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(default="")
    content: Mapped[str] = mapped_column(default="")


def system_templates() -> Select[SystemTemplate]:
    """What is offered, by name; an installation that never decided offers what is built in."""
    if offers.begins(KIND):
        for key, one in BUILT_IN_TEMPLATES.items():
            _store(SystemTemplate(key=key), TemplateValues(one.name, "plain", one.used_for, one.texts))
    return select(SystemTemplate).order_by(func.lower(SystemTemplate.name))


def system_template_of(key: str) -> SystemTemplate:
    """One of them; `NotFoundError` if there is none."""
    template = db.session.scalar(system_templates().where(SystemTemplate.key == key))
    if template is None:
        raise NotFoundError("The system offers no such template.")
    return template


def is_kept(key: str) -> bool:
    """Whether a template is offered; nobody withdraws it before this transaction ends."""
    offered = select(SystemTemplate.key).where(SystemTemplate.key == key).with_for_update(read=True)
    return db.session.scalar(offered) is not None


def system_values_of(template: SystemTemplate) -> TemplateValues:
    """A template of the system as a form shows it."""
    return TemplateValues(
        template.name, template.kind, tuple(template.used_for), _texts([template.key]).get(template.key, {})
    )


def system_languages() -> dict[str, list[str]]:
    """The languages each is written in, by key."""
    return {key: list(texts) for key, texts in _texts(None).items()}


def save_system_template(
    values: TemplateValues, template: SystemTemplate | None = None, *, by: Actor, key: str = ""
) -> SystemTemplate:
    """Offer a template, or change one. `InvalidTemplateError` says what is wrong, and where."""
    present = db.session.scalars(system_templates()).all()
    name = checked_name(values.name)
    if any(one.name == name and one is not template for one in present):
        raise InvalidTemplateError(f"The system offers a template named “{name}” already.", field="name")
    before = system_values_of(template).for_the_record() if template is not None else {}
    if template is None:
        template = SystemTemplate(key=free_key(key or name, {one.key for one in present}))
    act = "template.changed" if before else "template.created"
    _store(template, values)
    audit.record_for_system(by, act, name, before, system_values_of(template).for_the_record())
    offers.mark_changed(KIND)
    return template


def clone_system_template(template: SystemTemplate, *, by: Actor) -> SystemTemplate:
    """A copy to change, under a free name."""
    values = system_values_of(template)
    taken = set(db.session.scalars(select(SystemTemplate.name)))
    name = free_name(f"{values.name} (copy)", taken)
    return save_system_template(TemplateValues(name, values.kind, values.used_for, values.texts), by=by)


def differs_from_built_in(template: SystemTemplate) -> bool:
    """Whether a template that came with the installation was changed since."""
    one = BUILT_IN_TEMPLATES.get(template.key)
    return one is not None and system_values_of(template) != TemplateValues(
        one.name, "plain", one.used_for, one.texts
    )


def use_built_in(template: SystemTemplate, *, by: Actor) -> None:
    """Offer a template as it came with the installation again."""
    one = BUILT_IN_TEMPLATES.get(template.key)
    if one is None:
        raise ConflictError("This template did not come with the installation.")
    save_system_template(TemplateValues(one.name, "plain", one.used_for, one.texts), template, by=by)


def withdraw_system_template(template: SystemTemplate, *, by: Actor) -> None:
    """Offer it no more. Organizations that use or changed theirs keep it as their own."""
    audit.record_for_system(by, "template.deleted", template.name)
    db.session.delete(template)
    db.session.flush()
    offers.mark_changed(KIND)


def _store(template: SystemTemplate, values: TemplateValues) -> None:
    texts = checked_texts(values)
    template.name, template.kind = values.name.strip(), values.kind
    template.used_for, template.updated_at = list(values.used_for), now()
    db.session.add(template)
    db.session.flush()  # its texts refer to it
    db.session.execute(delete(SystemTemplateText).where(SystemTemplateText.template_key == template.key))
    for language, (subject, content) in texts.items():
        db.session.add(
            SystemTemplateText(template_key=template.key, language=language, subject=subject, content=content)
        )
    db.session.flush()


def _texts(keys: list[str] | None) -> dict[str, dict[str, tuple[str, str]]]:
    query = select(SystemTemplateText).order_by(SystemTemplateText.language)
    if keys is not None:
        query = query.where(SystemTemplateText.template_key.in_(keys))
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for one in db.session.scalars(query.execution_options(populate_existing=True)):
        found.setdefault(one.template_key, {})[one.language] = (one.subject, one.content)
    return found
