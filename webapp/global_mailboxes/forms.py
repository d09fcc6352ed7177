"""The system's page of a global mailbox as a form, and the values it stands for."""

from typing import Any

from wtforms import BooleanField, Field, RadioField, SelectField, StringField

from mailboxes.conversion import NOTHING, offers
from mailboxes.conversion import Field as Setting
from mailboxes.conversion.actions import Action
from mailboxes.crm.system_sources import system_sources
from mailboxes.global_mailboxes.fields import APART, FIELDS
from mailboxes.global_mailboxes.saving import MODES, GlobalValues
from tenants.database import db
from tenants.permissions import SYSTEM_ROLES
from webapp.configuration.forms import LOCKS, REASON
from webapp.mailboxes.consenting import values_with_connection
from webapp.mailboxes.forms import MailboxForm, data_of, kinds
from webapp.mailboxes.typed import typed_again, typed_form
from webapp.versions import version_of

ACCESS = "access-"
ALL, CHOSEN = "all", "chosen"
SERVES = [(ALL, "All organizations, with those made later"), (CHOSEN, "Chosen organizations")]
NOT_SAID = "As each organization's default"


class GlobalMailboxForm(MailboxForm):
    """A mailbox's form without what belongs to one organization, and with what concerns many."""

    delivery_mode = RadioField("Delivery", choices=list(MODES.items()), validate_choice=False)
    serves = RadioField("Serves", choices=SERVES, default=CHOSEN, validate_choice=False)
    source = SelectField(
        "Lead source",
        description="By key: each organization has its own name for it, or its default where it lacks it.",
        validate_choice=False,
    )


def global_form(values: GlobalValues | None) -> GlobalMailboxForm:
    """The form with the settings of every action that the system can say for all organizations."""
    fields: dict[str, Field] = {}
    for offer in offers():
        for setting in systems_settings(offer.action):
            fields[f"{offer.action.name}_{setting.name}"] = _setting_field(setting)
    for name, label in FIELDS.items():
        fields[LOCKS + name] = BooleanField(f"Organizations may not override “{label}”")
        fields[REASON + name] = StringField(f"Reason that organizations read ({label})")
    form_class = type("FullGlobalMailboxForm", (GlobalMailboxForm,), fields)
    form: GlobalMailboxForm = form_class(data=_data(values) if values is not None else None, **typed_again())
    form.kind.choices = kinds(form.kind.data)
    form.action.choices = [(NOTHING, "Do nothing")]
    form.action.choices += [
        (offer.action.name, offer.action.label) for offer in offers() if offer.action.name != NOTHING
    ]
    form.source.choices = _source_choices(form.source.data or "")
    return form


def systems_settings(action: Action) -> list[Setting]:
    """The settings of an action that the system can say: those that name no people of an organization."""
    return [
        setting
        for setting in action.fields
        if setting.name not in APART and setting.kind not in {"member", "lead_source"}
    ]


def global_values_from(form: GlobalMailboxForm) -> GlobalValues:
    """What was typed, as values. `InvalidError` where a field cannot be understood."""
    return GlobalValues(
        values_with_connection(form),
        access=typed_access(),
        source=form.source.data or "",
        delivery_mode=form.delivery_mode.data or "",
        serves_all=form.serves.data == ALL,
        locks={
            name: " ".join((form[REASON + name].data or "").split())
            for name in FIELDS
            if form[LOCKS + name].data
        },
    )


def typed_access() -> dict[str, str]:
    """Access as the page sends it: ``access-KEY`` of a system role with a level."""
    levels = {key: typed_form().get(f"{ACCESS}{key}", "") for key in SYSTEM_ROLES}
    return {key: level for key, level in levels.items() if level}


def _source_choices(chosen: str) -> list[tuple[str, str]]:
    """What the system offers, and what is chosen already, be it offered or not."""
    offered = {source.key: source.name for source in db.session.scalars(system_sources())}
    return [("", NOT_SAID), *({chosen: chosen} | offered if chosen else offered).items()]


def _setting_field(setting: Setting) -> Field:
    if setting.kind == "choice":
        empty = [] if setting.required else [("", "—")]
        return SelectField(
            setting.label,
            choices=[*empty, *setting.choices],
            description=setting.help,
            default=setting.default,
            validate_choice=False,
        )
    return StringField(setting.label, description=setting.help, default=setting.default)


def _data(values: GlobalValues) -> dict[str, Any]:
    locks = {LOCKS + name: True for name in values.locks}
    reasons = {REASON + name: reason for name, reason in values.locks.items()}
    return (
        data_of(values.mailbox)
        | locks
        | reasons
        | {
            "delivery_mode": values.delivery_mode,
            "serves": ALL if values.serves_all else CHOSEN,
            "source": values.source,
            "version": version_of(values),
        }
    )
