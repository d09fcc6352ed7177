"""What a refused form held, to be copied: under the labels that people know, and no secret.

Nobody says which form it was: most likely it is the one that has most of the names. What no form shows as a
text is not shown, nor what is a secret in any of them.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import (
    DateField,
    DateTimeField,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    PasswordField,
    StringField,
)
from wtforms.fields.core import UnboundField

_SHOWN = (StringField, IntegerField, DateField, DateTimeField)  # and what is not said to be a secret
_ROW = re.compile(r"-\d+-")
_ANY_ROW = "-*-"


class CodeField(StringField):
    """A code that counts once: it is read while it is typed, and never again."""


_SECRET = (PasswordField, CodeField)

Fields = Mapping[str, "UnboundField[Any]"]


def typed_texts(posted: MultiDict[str, str], package: str) -> list[tuple[str, str]]:
    """Labels and texts, as they came; ``package``: where the view is, whose own forms are more likely."""
    names = {_ROW.sub(_ANY_ROW, name) for name in posted}
    forms = sorted(
        _forms().items(), key=lambda one: _likelihood(one[0], one[1], names, package), reverse=True
    )
    likeliest = [fields for _, fields in forms]
    labels = {name: label for name in names if (label := _label(name, likeliest))}
    return [
        (labels[key], text)
        for name, text in posted.items(multi=True)
        if text.strip() and (key := _ROW.sub(_ANY_ROW, name)) in labels
    ]


def _likelihood(form: type[Form], fields: Fields, names: set[str], package: str) -> tuple[int, bool, int]:
    return len(names & fields.keys()), form.__module__.startswith(f"{package}."), -len(fields)


def _label(name: str, forms: list[Fields]) -> str:
    """What the likeliest form calls a field; "" for what is shown to nobody again."""
    known = [fields[name] for fields in forms if name in fields]
    shown = [one for one in known if issubclass(one.field_class, _SHOWN)]
    is_secret = any(issubclass(one.field_class, _SECRET) for one in known)
    return _words(shown[0]) if shown and not is_secret else ""


@cache
def _forms() -> dict[type[Form], Fields]:
    """Every form that a module names, with its fields; those of rows under the name of any row."""
    return {form: dict(_fields(form)) for form in _named(FlaskForm)}


def _named(parent: type[Form]) -> Iterator[type[Form]]:
    for form in parent.__subclasses__():
        if getattr(sys.modules.get(form.__module__), form.__name__, None) is form:
            yield form
        yield from _named(form)


def _fields(form: type[Form]) -> "Iterator[tuple[str, UnboundField[Any]]]":
    for name in dir(form):
        field = getattr(form, name)
        if not isinstance(field, UnboundField) or issubclass(field.field_class, HiddenField):
            continue
        yield name, field
        if field.field_class is FieldList and field.args[0].field_class is FormField:
            rows = field.args[0].args[0]
            yield from ((f"{name}{_ANY_ROW}{part}", one) for part, one in _fields(rows))


def _words(field: "UnboundField[Any]") -> str:
    return str(field.args[0] if field.args else field.kwargs.get("label", ""))
