"""Email templates of an organization, in its languages.

Those with a ``system_key`` are copies of what the system offers, and follow it (`mailboxes.templates.system`)
until ``overrides`` says otherwise, field by field and language by language.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Select, UniqueConstraint, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes import templating
from mailboxes.templates.carrying import carry_templates
from mailboxes.templates.system import system_template_of, system_templates, system_values_of
from mailboxes.templates.values import (
    InvalidTemplateError,
    TemplateValues,
    checked_name,
    checked_texts,
    choose_language,
    free_name,
)
from mailboxes.templating import Values
from tenants import audit
from tenants.audit import Actor
from tenants.configuration.layers import value_of
from tenants.database import Base, OrganizationScoped, current_organization_id, db, now, scoped_key
from tenants.database.portions import asked_once
from tenants.database.searching import search_words
from tenants.errors import ConflictError, NotFoundError

NAME, KIND, USED_FOR_FIELD, TEXT = "name", "kind", "used_for", "text."


class Template(OrganizationScoped, Base):
    """A template; one that a single rule wrote for itself is ``is_custom`` and has no name in lists."""

    __tablename__ = "templates"
    __table_args__ = (
        CheckConstraint("kind IN ('html', 'plain')", name="kind"),
        Index(
            "uq_templates_name",
            "organization_id",
            "name",
            unique=True,
            postgresql_where=text("NOT is_custom"),
        ),
        UniqueConstraint("organization_id", "system_key"),
    )

    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="plain")
    used_for: Mapped[list[str]] = mapped_column(default=lambda: ["message"])
    system_key: Mapped[str | None] = mapped_column(default=None)
    overrides: Mapped[list[str]] = mapped_column(default=list)
    is_custom: Mapped[bool] = mapped_column(default=False)
    is_hidden: Mapped[bool] = mapped_column(default=False)  # not offered for choosing
    updated_at: Mapped[datetime] = mapped_column(default=now)

    def follows(self, name: str) -> bool:
        """Whether the system decides this: ``name``, ``kind``, ``used_for`` or ``text.de``."""
        if self.system_key is None or name in self.overrides:
            return False
        return not (name.startswith(TEXT) and KIND in self.overrides)


class TemplateText(OrganizationScoped, Base):
    """Subject and content in one language."""

    __tablename__ = "template_texts"
    __table_args__ = (
        UniqueConstraint("organization_id", "template_id", "language"),
        scoped_key("template_id", "templates", ondelete="CASCADE"),
    )

    template_id: Mapped[UUID]
    language: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    content: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True)
class TemplateFilter:
    """What a list of templates is narrowed to; empty values do not narrow.

    ``origin``: system (as offered or changed), changed, own; ``language``: written in it, or with a
    leading ``-`` not written in it.
    """

    words: str = ""
    used_for: str = ""
    kind: str = ""
    language: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Rendered(templating.Rendered):
    """A template filled in, and the language that was chosen."""

    language: str = ""


def templates(*used_for: str) -> Select[Template]:
    """Named templates of the current organization, by name; with uses, those offered for one of them."""
    query = select(Template).where(~Template.is_custom).order_by(func.lower(Template.name))
    if not used_for:
        return query
    return query.where(Template.used_for.overlap(list(used_for)), ~Template.is_hidden)


def filtered_templates(filter: TemplateFilter) -> Select[Template]:
    """Named templates that a filter lets through, in no order."""
    query = select(Template).where(~Template.is_custom)
    for word in search_words(filter.words):
        query = query.where(Template.name.icontains(word, autoescape=True) | _says(word))
    if filter.used_for:
        query = query.where(Template.used_for.contains([filter.used_for]))
    if filter.kind:
        query = query.where(Template.kind == filter.kind)
    if filter.language:
        written = _written_in(filter.language.removeprefix("-"))
        query = query.where(~written if filter.language.startswith("-") else written)
    if filter.origin:
        query = query.where(_ORIGINS.get(filter.origin, Template.system_key.is_(None)))
    return query


@asked_once
def template_of(id: UUID) -> Template:
    """A template of the current organization, also a rule's own; `NotFoundError` if there is none."""
    template = db.session.scalar(select(Template).where(Template.id == id))
    if template is None:
        raise NotFoundError("This template does not exist.")
    return template


def named_template(id: UUID) -> Template:
    """A template that lists show; `NotFoundError` if there is none, or if it is a rule's own response."""
    template = template_of(id)
    if template.is_custom:
        raise NotFoundError("This template does not exist.")
    return template


def texts_of(template: Template) -> Select[TemplateText]:
    """Its texts, by language."""
    return (
        select(TemplateText)
        .where(TemplateText.template_id == template.id)
        .order_by(TemplateText.language)
        .execution_options(populate_existing=True)
    )


def languages_by_template(ids: Iterable[UUID] | None = None) -> dict[UUID, list[str]]:
    """The languages each template is written in, of all templates or some, at once."""
    written: dict[UUID, list[str]] = {}
    query = select(TemplateText.template_id, TemplateText.language).order_by(TemplateText.language)
    if ids is not None:
        query = query.where(TemplateText.template_id.in_(list(ids)))
    for template_id, language in db.session.execute(query):
        written.setdefault(template_id, []).append(language)
    return written


def values_of(template: Template) -> TemplateValues:
    """A template as a form shows it."""
    texts = {one.language: (one.subject, one.content) for one in db.session.scalars(texts_of(template))}
    return TemplateValues(template.name, template.kind, tuple(template.used_for), texts)


def offered_values_of(template: Template) -> TemplateValues | None:
    """What the system offers in its place; None for a template of the organization's own."""
    return system_values_of(system_template_of(template.system_key)) if template.system_key else None


def save_template(
    values: TemplateValues,
    template: Template | None = None,
    *,
    by: Actor,
    follows: Collection[str] | None = None,
) -> Template:
    """Make a template, or change the one given. `InvalidTemplateError` says what is wrong, and where.

    ``follows``: what of a system template's copy stays the system's; without it, what is the same.
    """
    before = values_of(template).for_the_record() if template is not None else {}
    offered = offered_values_of(template) if template is not None else None
    overrides: list[str] = []
    if offered is not None:
        overrides = _overridden(values, offered) if follows is None else _others(values, offered, follows)
        values = _with_offered(values, offered, overrides)
    name = _free(values.name, template)
    saved = keep_texts(values, template)
    saved.name, saved.is_custom, saved.overrides = name, False, overrides
    db.session.flush()
    act = "template.created" if template is None else "template.changed"
    audit.record(by, act, saved.name, before, values_of(saved).for_the_record())
    return saved


def keep_texts(values: TemplateValues, template: Template | None = None) -> Template:
    """Store kind and texts; without a template, in a new one that belongs to a single rule."""
    texts = checked_texts(values)
    saved = template or Template(name="", is_custom=True)
    saved.kind, saved.used_for = values.kind, list(values.used_for)
    saved.updated_at = now()
    db.session.add(saved)
    db.session.flush()  # its texts refer to it
    db.session.execute(delete(TemplateText).where(TemplateText.template_id == saved.id))
    for language, (subject, content) in texts.items():
        db.session.add(
            TemplateText(template_id=saved.id, language=language, subject=subject, content=content)
        )
    db.session.flush()
    return saved


def clone_template(template: Template, *, by: Actor) -> Template:
    """A copy to change, under a free name; it is the organization's own."""
    values = values_of(template)
    taken = set(db.session.scalars(select(Template.name).where(~Template.is_custom)))
    return save_template(replace(values, name=free_name(f"{values.name} (copy)", taken)), by=by)


def name_template(template: Template, name: str, *, by: Actor, field: str = "name") -> None:
    """A rule's own response becomes a template for everybody (*Save response as email template*)."""
    template.name, template.is_custom = _free(name, template, field), False
    db.session.flush()
    audit.record(by, "template.created", template.name, {}, values_of(template).for_the_record())


def hide_template(template: Template, *, is_hidden: bool, by: Actor) -> None:
    """Offer it for choosing no more, or again; what answers with it goes on."""
    if template.is_hidden != is_hidden:
        template.is_hidden = is_hidden
        db.session.flush()
        audit.record(by, "template.hidden" if is_hidden else "template.shown", template.name)


def offer_system_templates() -> dict[str, Template]:
    """Bring the current organization's copies of the system's templates up to date. By the system's key."""
    system_templates()
    db.session.flush()
    carry_templates(db.session(), [current_organization_id()])
    copies = select(Template).where(Template.system_key.is_not(None))
    found = db.session.scalars(copies.execution_options(populate_existing=True))
    return {template.system_key: template for template in found if template.system_key is not None}


def use_system_template(template: Template, *, by: Actor) -> None:
    """Follow the system in everything again."""
    if template.system_key is None:
        raise ConflictError("The system offers no such template.")
    before = values_of(template).for_the_record()
    template.overrides = []
    offer_system_templates()
    audit.record(by, "template.restored", template.name, before, values_of(template).for_the_record())


def groups_of(template: Template) -> frozenset[str]:
    """Of which groups a template names variables, in any language."""
    sources = [
        source for one in db.session.scalars(texts_of(template)) for source in (one.subject, one.content)
    ]
    return frozenset().union(*map(templating.groups_in, sources))


def render(template: Template, languages: Sequence[str | None], values: Values) -> Rendered:
    """Fill in the text of the first language there is; `TemplateError` if it grows too long."""
    return render_texts(template.kind, _texts(template), languages, values)


@asked_once
def _texts(template: Template) -> dict[str, tuple[str, str]]:
    return {one.language: (one.subject, one.content) for one in db.session.scalars(texts_of(template))}


def render_texts(
    kind: str, texts: Mapping[str, tuple[str, str]], languages: Sequence[str | None], values: Values
) -> Rendered:
    """The same for texts that need not be stored."""
    if not texts:
        return Rendered("", "")
    language = choose_language(list(texts), languages, str(value_of("general.language")))
    filled = templating.render_source(cast("templating.Kind", kind), *texts[language], values)
    return Rendered(filled.subject, filled.text, filled.html, language)


_ORIGINS = {
    "system": Template.system_key.is_not(None),
    "changed": Template.system_key.is_not(None) & (func.cardinality(Template.overrides) > 0),
    "own": Template.system_key.is_(None),
}


def _says(word: str):  # type: ignore[no-untyped-def]  # a condition
    return Template.id.in_(
        select(TemplateText.template_id).where(
            TemplateText.subject.icontains(word, autoescape=True)
            | TemplateText.content.icontains(word, autoescape=True)
        )
    )


def _written_in(language: str):  # type: ignore[no-untyped-def]  # a condition
    return Template.id.in_(select(TemplateText.template_id).where(TemplateText.language == language))


def _fields(values: TemplateValues) -> dict[str, object]:
    """What can be overridden, by its name in ``overrides``."""
    texts = {f"{TEXT}{language}": pair for language, pair in values.texts.items()}
    return {NAME: values.name, KIND: values.kind, USED_FOR_FIELD: values.used_for, **texts}


def _overridden(values: TemplateValues, offered: TemplateValues) -> list[str]:
    given, theirs = _fields(values), _fields(offered)
    return _without_implied([name for name in {**given, **theirs} if given.get(name) != theirs.get(name)])


def _others(values: TemplateValues, offered: TemplateValues, follows: Collection[str]) -> list[str]:
    return _without_implied([name for name in {**_fields(values), **_fields(offered)} if name not in follows])


def _without_implied(names: list[str]) -> list[str]:
    """With a type of its own, all texts are its own."""
    return [name for name in names if KIND not in names or not name.startswith(TEXT)]


def _with_offered(values: TemplateValues, offered: TemplateValues, overrides: list[str]) -> TemplateValues:
    """``values`` where they are overridden, else what the system offers."""

    def is_own(name: str) -> bool:
        return name in overrides or (name.startswith(TEXT) and KIND in overrides)

    given = {**offered.texts, **{key: pair for key, pair in values.texts.items() if is_own(TEXT + key)}}
    texts = {key: pair for key, pair in given.items() if not is_own(TEXT + key) or key in values.texts}
    return TemplateValues(
        values.name if is_own(NAME) else offered.name,
        values.kind if is_own(KIND) else offered.kind,
        values.used_for if is_own(USED_FOR_FIELD) else offered.used_for,
        texts,
    )


def _free(name: str, template: Template | None, field: str = "name") -> str:
    name = checked_name(name, field)
    taken = select(Template.id).where(~Template.is_custom, Template.name == name)
    if template is not None:
        taken = taken.where(Template.id != template.id)
    if db.session.scalar(taken) is not None:
        raise InvalidTemplateError(f"A template named “{name}” is here already.", field=field)
    return name
