"""What a template says, and what keeps it from being saved: the same for the system's and one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailboxes import templating
from mailboxes.templating import TemplateProblem
from tenants.configuration.catalog import LANGUAGES
from tenants.errors import InvalidError

KINDS = {"plain": "Plain text", "html": "HTML"}
USED_FOR = {"message": "Messages", "lead": "Leads", "case": "Cases"}
LONGEST_NAME = 100


@dataclass(frozen=True)
class TemplateValues:
    """What a form sends. ``texts`` maps a language to subject and content; empty ones are left out."""

    name: str = ""
    kind: str = "plain"
    used_for: tuple[str, ...] = ("message",)
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def for_the_record(self) -> dict[str, object]:
        """As the audit log keeps it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "used_for": ", ".join(self.used_for),
            "languages": ", ".join(self.texts),
            "texts": {language: list(pair) for language, pair in self.texts.items()},
        }


@dataclass(frozen=True, slots=True)
class LanguageProblem:
    """A problem of a template's text, and the language it is in (two letters, or "" for all)."""

    language: str
    problem: TemplateProblem


class InvalidTemplateError(InvalidError):
    """A template that cannot be saved; ``problems`` says where, language by language."""

    def __init__(self, message: str, *, field: str, problems: Sequence[LanguageProblem] = ()) -> None:
        super().__init__(message, field=field)
        self.problems = tuple(problems)


def checked_texts(values: TemplateValues) -> dict[str, tuple[str, str]]:
    """The texts as they are stored; `InvalidTemplateError` says what is wrong with values or texts."""
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
        raise InvalidTemplateError("Write the content in at least one language.", field="content")
    problems = [
        LanguageProblem(language, problem)
        for language, (subject, content) in written.items()
        for problem in _problems(language, subject, content)
    ]
    if problems:
        first = problems[0]
        raise InvalidTemplateError(str(first.problem), field=first.problem.part, problems=problems)
    return written


def checked_name(name: str, field: str = "name") -> str:
    """A name that can be had if it is free."""
    name = name.strip()
    if not name:
        raise InvalidTemplateError("Give the template a name.", field=field)
    if len(name) > LONGEST_NAME:
        raise InvalidTemplateError(f"Use at most {LONGEST_NAME} characters.", field=field)
    return name


def free_name(wanted: str, taken: set[str]) -> str:
    """The name, or with the first number that makes it free."""
    wanted = wanted[: LONGEST_NAME - 5]
    names = [wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


# Norwegian is recognized as such, and templates are written in its usual form.
_WRITTEN_AS = {"no": "nb", "nn": "nb"}


def choose_language(available: Sequence[str], wanted: Sequence[str | None], default: str) -> str:
    """The best of the languages there are: exactly what is wanted, its base, the default, any."""
    present = {language.lower(): language for language in sorted(available)}
    for code in [*wanted, default]:
        exact = (code or "").lower().replace("_", "-")
        base = exact.split("-")[0]
        for candidate in (exact, base, _WRITTEN_AS.get(base, base)):
            if candidate in present:
                return present[candidate]
    return present[min(present)]


def missing_languages(written: Sequence[str], wanted: Sequence[str], default: str) -> list[tuple[str, str]]:
    """Languages without a text, each with the one whose text is sent instead."""
    if not written:
        return []
    return [
        (language, choose_language(written, [language], default))
        for language in wanted
        if language not in written
    ]


def _problems(language: str, subject: str, content: str) -> list[TemplateProblem]:
    if language not in LANGUAGES:
        return [TemplateProblem("content", 1, f"{language} is not the code of a language known here.")]
    return templating.check_source(subject, content)
