"""E-mail templates, in the languages of an organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Select, UniqueConstraint, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from mailboxes import templating
from mailboxes.system_templates import SYSTEM_TEMPLATES
from mailboxes.templating import TemplateProblem, Values
from tenants import audit
from tenants.audit import Actor
from tenants.configuration.catalog import LANGUAGES
from tenants.configuration.layers import value_of
from tenants.database import Base, OrganizationScoped, db, now, scoped_key
from tenants.errors import ConflictError, InvalidError, NotFoundError

KINDS = {"plain": "Plain text", "html": "HTML"}
USED_FOR = {"message": "Messages", "lead": "Leads", "case": "Cases", "notice": "Notices"}
LONGEST_NAME = 100


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
    is_custom: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime] = mapped_column(default=now)


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
class TemplateValues:
    """What a form sends. ``texts`` maps a language to subject and content; empty ones are left out."""

    name: str = ""
    kind: str = "plain"
    used_for: tuple[str, ...] = ("message",)
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LanguageProblem:
    """A problem of a template's text, and the language it is in (two letters, or "" for all)."""

    language: str
    problem: TemplateProblem


@dataclass(frozen=True, slots=True)
class Rendered(templating.Rendered):
    """A template filled in, and the language that was chosen."""

    language: str = ""


class InvalidTemplateError(InvalidError):
    """A template that cannot be saved; ``problems`` says where, language by language."""

    def __init__(self, message: str, *, field: str, problems: Sequence[LanguageProblem] = ()) -> None:
        super().__init__(message, field=field)
        self.problems = tuple(problems)


def templates(used_for: str | None = None) -> Select[Template]:
    """Named templates of the current organization, by name; those for one use where that is said."""
    query = select(Template).where(~Template.is_custom).order_by(func.lower(Template.name))
    return query if used_for is None else query.where(Template.used_for.contains([used_for]))


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


def languages_by_template() -> dict[UUID, list[str]]:
    """The languages each template is written in, of all templates at once."""
    written: dict[UUID, list[str]] = {}
    query = select(TemplateText.template_id, TemplateText.language).order_by(TemplateText.language)
    for template_id, language in db.session.execute(query):
        written.setdefault(template_id, []).append(language)
    return written


def values_of(template: Template) -> TemplateValues:
    """A template as a form shows it."""
    texts = {one.language: (one.subject, one.content) for one in db.session.scalars(texts_of(template))}
    return TemplateValues(template.name, template.kind, tuple(template.used_for), texts)


def check_template(kind: str, subject: str, content: str) -> list[TemplateProblem]:
    """What keeps a text from being saved: unknown variables by their names, with their lines."""
    if kind not in KINDS:
        return [TemplateProblem("content", 1, "Choose HTML or plain text.")]
    return templating.check_source(cast("templating.Kind", kind), subject, content)


def save_template(values: TemplateValues, template: Template | None = None, *, by: Actor) -> Template:
    """Make a template, or change the one given. `InvalidTemplateError` says what is wrong, and where."""
    _demand_name(values.name, template)
    before = _for_the_record(template)
    saved = keep_texts(values, template)
    saved.name, saved.is_custom = values.name.strip(), False
    db.session.flush()
    act = "template.created" if template is None else "template.changed"
    audit.record(by, act, saved.name, before, _for_the_record(saved))
    return saved


def keep_texts(values: TemplateValues, template: Template | None = None) -> Template:
    """Store kind and texts; without a template, in a new one that belongs to a single rule."""
    texts = _checked_texts(values)
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
    """A copy to change, under a free name."""
    values = values_of(template)
    copy = TemplateValues(_free_name(f"{values.name} (copy)"), values.kind, values.used_for, values.texts)
    return save_template(copy, by=by)


def name_template(template: Template, name: str, *, by: Actor, field: str = "name") -> None:
    """A rule's own response becomes a template for everybody (*Save response as email template*)."""
    _demand_name(name, template, field)
    template.name, template.is_custom = name.strip(), False
    db.session.flush()
    audit.record(by, "template.created", template.name, {}, _for_the_record(template))


def offer_system_templates() -> dict[str, Template]:
    """Copy the system's templates into the current organization; those already there stay. By key."""
    offered = select(Template).where(Template.system_key.is_not(None))
    present = {template.system_key: template for template in db.session.scalars(offered)}
    for key, one in SYSTEM_TEMPLATES.items():
        if key not in present:
            template = keep_texts(TemplateValues("", "plain", one.used_for, one.texts))
            template.name, template.is_custom = _free_name(one.name), False
            template.system_key = key
            present[key] = template
    db.session.flush()
    return {key: template for key, template in present.items() if key is not None}


def restore_system_template(template: Template, *, by: Actor) -> None:
    """Give a copy of a system template the system's texts again."""
    one = SYSTEM_TEMPLATES.get(template.system_key or "")
    if one is None:
        raise ConflictError("The system offers no such template.")
    before = _for_the_record(template)
    keep_texts(TemplateValues(template.name, "plain", one.used_for, one.texts), template)
    audit.record(by, "template.restored", template.name, before, _for_the_record(template))


def is_changed(template: Template) -> bool:
    """Whether a copy of a system template differs from what the system offers."""
    one = SYSTEM_TEMPLATES.get(template.system_key or "")
    return one is not None and dict(values_of(template).texts) != one.texts


def render(template: Template, languages: Sequence[str | None], values: Values) -> Rendered:
    """Fill in the text of the first language there is; `TemplateError` if it grows too long."""
    texts = {one.language: one for one in db.session.scalars(texts_of(template))}
    if not texts:
        return Rendered("", "")
    language = choose_language(list(texts), languages, str(value_of("general.language")))
    chosen = texts[language]
    kind = cast("templating.Kind", template.kind)
    filled = templating.render_source(kind, chosen.subject, chosen.content, values)
    return Rendered(filled.subject, filled.text, filled.html, language)


def choose_language(available: Sequence[str], wanted: Sequence[str | None], default: str) -> str:
    """The best of the languages there are: exactly what is wanted, its base, the default, any."""
    present = {language.lower(): language for language in sorted(available)}
    for code in [*wanted, default]:
        exact = (code or "").lower().replace("_", "-")
        for candidate in (exact, exact.split("-")[0]):
            if candidate in present:
                return present[candidate]
    return present[min(present)]


def _checked_texts(values: TemplateValues) -> dict[str, tuple[str, str]]:
    if not values.used_for or not set(values.used_for) <= USED_FOR.keys():
        raise InvalidTemplateError("Choose what the template is for.", field="used_for")
    if values.kind not in KINDS:
        raise InvalidTemplateError("Choose HTML or plain text.", field="kind")
    written = {
        language: (subject.strip(), content.replace("\r\n", "\n"))
        for language, (subject, content) in values.texts.items()
        if subject.strip() or content.strip()
    }
    if not written:
        raise InvalidTemplateError("Write a content in at least one language.", field="content")
    problems = [
        LanguageProblem(language, problem)
        for language, (subject, content) in written.items()
        for problem in _problems(values.kind, language, subject, content)
    ]
    if problems:
        first = problems[0]
        raise InvalidTemplateError(str(first.problem), field=first.problem.part, problems=problems)
    return written


def _problems(kind: str, language: str, subject: str, content: str) -> list[TemplateProblem]:
    if language not in LANGUAGES:
        return [TemplateProblem("content", 1, f"{language} is not the code of a language known here.")]
    return check_template(kind, subject, content)


def _demand_name(name: str, template: Template | None, field: str = "name") -> None:
    if not name.strip():
        raise InvalidTemplateError("Give the template a name.", field=field)
    if len(name.strip()) > LONGEST_NAME:
        raise InvalidTemplateError(f"Use at most {LONGEST_NAME} characters.", field=field)
    taken = select(Template.id).where(~Template.is_custom, Template.name == name.strip())
    if template is not None:
        taken = taken.where(Template.id != template.id)
    if db.session.scalar(taken) is not None:
        raise InvalidTemplateError(f"A template named “{name.strip()}” is here already.", field=field)


def _free_name(wanted: str) -> str:
    taken = set(db.session.scalars(select(Template.name).where(~Template.is_custom)))
    wanted = wanted[: LONGEST_NAME - 5]
    names = [wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _for_the_record(template: Template | None) -> dict[str, object]:
    if template is None:
        return {}
    values = values_of(template)
    return {
        "name": values.name,
        "kind": values.kind,
        "used_for": ", ".join(values.used_for),
        "languages": ", ".join(values.texts),
        "texts": {language: list(pair) for language, pair in values.texts.items()},
    }
