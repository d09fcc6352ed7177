"""What an organization says of a global mailbox as a form: each field with its box *Use system value*."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request
from wtforms import (
    BooleanField,
    Field,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)

from mailboxes.conversion import NOTHING, choices_of, offers
from mailboxes.conversion import Field as Setting
from mailboxes.global_mailboxes.fields import APART, FIELDS, NO_RULES, OWN_RULES, FieldState
from tenants.organizations import members_offered
from webapp.choosing import searched
from webapp.configuration.forms import INHERITS, SWITCH
from webapp.mailboxes.forms import LocalMomentField, lines_of, setting_field, utc
from webapp.mailboxes.granting import typed_grants
from webapp.versions import VersionedForm

SOURCE = Setting("source", "Lead source", "lead_source")
RULES = [(OWN_RULES, "Own rules instead of the system's"), (NO_RULES, "No automatic responses")]
SWITCHES = ("enabled", "shadow", "converts_automatic", "answers_unaddressed")


class MomentField(LocalMomentField):
    """A date and time; what is none is None, and matters only where the box is not ticked."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read it, if it can be read."""
        with suppress(ValueError):
            super().process_formdata(valuelist)


class OverrideForm(VersionedForm):
    """The fields in the order of the page; boxes and settings of actions are added by `override_form`.

    A field whose box is ticked is not read at all, so nothing is demanded here.
    """

    label = StringField(FIELDS["label"])
    enabled = SelectField(FIELDS["enabled"], choices=list(SWITCH), validate_choice=False)
    shadow = SelectField(
        FIELDS["shadow"],
        choices=list(SWITCH),
        description="On, the mailbox shows what it would convert and answer, and does neither.",
        validate_choice=False,
    )
    action = RadioField(FIELDS["processing"], validate_choice=False)
    owner = SelectField(FIELDS["owner"], description="Who answers for the records.", validate_choice=False)
    source = SelectField(FIELDS["source"], description="Where leads come from.", validate_choice=False)
    automation_from = MomentField(
        FIELDS["automation_from"],
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        description="Messages that arrived earlier make no records and get no answers.",
    )
    converts_automatic = SelectField(
        FIELDS["converts_automatic"], choices=list(SWITCH), validate_choice=False
    )
    trusted_forms = TextAreaField(
        FIELDS["trusted_forms"],
        description="Senders, one a line, whose messages always convert and are answered at their Reply-To.",
        render_kw={"rows": 2},
    )
    answers_unaddressed = SelectField(
        FIELDS["answers_unaddressed"],
        choices=list(SWITCH),
        description="Such as blind copies. Off is safer.",
        validate_choice=False,
    )
    signature = TextAreaField(
        FIELDS["signature"], description="Empty: the one of the configuration.", render_kw={"rows": 3}
    )
    rules_from = RadioField(FIELDS["rules"], choices=RULES, validate_choice=False)


def override_form(states: list[FieldState]) -> OverrideForm:
    """The form, filled with what applies; the box of each field that follows is ticked."""
    data = _data({state.field: state.value for state in states})
    fields: dict[str, Field] = {
        f"{INHERITS}{state.field}": BooleanField(default=not state.is_overridden) for state in states
    }
    for offer in offers():
        for setting in offer.action.fields:
            if setting.name not in APART:
                name = f"{offer.action.name}_{setting.name}"
                chosen = request.form.get(name) or str(data.get(name) or "")
                fields[name] = setting_field(setting, name, chosen)
    form_class = type("FullOverrideForm", (OverrideForm,), fields)
    form: OverrideForm = form_class(data=data)
    form.action.choices = [(NOTHING, "Do nothing")]
    form.action.choices += [
        (offer.action.name, offer.action.label) for offer in offers() if offer.action.name != NOTHING
    ]
    owners = members_offered(searched("owner"), str(form.owner.data or ""))
    form.owner.choices = [("", "The organization's default record owner"), *owners]
    form.source.choices = [("", "The organization's default source"), *choices_of(SOURCE)]
    return form


def overrides_from(form: OverrideForm) -> dict[str, Any]:
    """The fields whose box is not ticked, with what was typed."""
    typed = _typed(form)
    return {field: typed[field] for field in FIELDS if not form[f"{INHERITS}{field}"].data}


def _typed(form: OverrideForm) -> dict[str, Any]:
    action = form.action.data or NOTHING
    settings = {
        name.removeprefix(f"{action}_"): form[name].data
        for name in form._fields
        if name.startswith(f"{action}_") and name not in OverrideForm.__dict__
    }
    moment = form.automation_from.data
    return {
        "label": form.label.data or "",
        "processing": {"action": action, "settings": settings},
        "owner": form.owner.data or "",
        "source": form.source.data or "",
        "automation_from": utc(moment).isoformat() if moment is not None else None,
        "trusted_forms": lines_of(form.trusted_forms.data),
        "signature": (form.signature.data or "").replace("\r\n", "\n").strip() or None,
        "access": typed_grants(),
        "rules": form.rules_from.data or "",
        **{name: form[name].data == "true" for name in SWITCHES},
    }


def _data(values: dict[str, Any]) -> dict[str, Any]:
    """What applies, as the controls hold it; rules that follow are offered to be replaced."""
    processing = values["processing"]
    data = {name: values[name] for name in ("label", "owner", "source", "signature")}
    data |= {name: "true" if values[name] else "false" for name in SWITCHES}
    data |= {
        f"{processing['action']}_{name}": ", ".join(value) if isinstance(value, list) else value
        for name, value in processing["settings"].items()
    }
    moment = datetime.fromisoformat(values["automation_from"])
    return data | {
        "action": processing["action"],
        "automation_from": moment.astimezone(ZoneInfo(g.get("zone") or "UTC")).replace(tzinfo=None),
        "trusted_forms": "\n".join(values["trusted_forms"]),
        "rules_from": values["rules"] if values["rules"] in (OWN_RULES, NO_RULES) else OWN_RULES,
    }
