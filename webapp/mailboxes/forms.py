"""The mailbox page as a form, and the values it stands for."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    Field,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional

from mailboxes import oauth
from mailboxes.conversion import NOTHING, choices_of, offers
from mailboxes.conversion import Field as Setting
from mailboxes.setup import FolderChoice, MailboxValues
from tenants.errors import InvalidError
from webapp.choosing import searched
from webapp.mailboxes.granting import LEVELS as GRANTED
from webapp.mailboxes.granting import typed_grants
from webapp.mailboxes.typed import typed_again, typed_folders, typed_form
from webapp.versions import VersionedForm, version_of

ENCRYPTIONS = [("tls", "SSL/TLS"), ("starttls", "STARTTLS"), ("none", "None")]
HISTORIES = [
    ("inherit", "As configured for the organization"),
    ("now", "From now"),
    ("days", "The last days"),
    ("all", "Everything"),
]

LEVELS = [("", "No access"), *GRANTED]


YEARS = range(1970, 9000)  # all of them exist in every zone


class LocalMomentField(DateTimeLocalField):
    """A date and time in the zone of whoever types it; see `utc`."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read it, if it can be a moment everywhere."""
        super().process_formdata(valuelist)
        if self.data is not None and self.data.year not in YEARS:
            self.data = None
            raise ValueError(f"Choose a year from {YEARS[0]} to {YEARS[-1]}.")


class MailboxForm(VersionedForm):
    """The sections in the order of the page. Settings of actions are added by `mailbox_form`.

    What is chosen from a list is judged by `mailboxes.setup`; at a global mailbox's home some lists are
    not there at all.
    """

    label = StringField("Mailbox label", [InputRequired("Give the mailbox a label."), Length(max=100)])
    address = StringField(
        "Email address", [InputRequired("Type the address people write to."), Length(max=320)]
    )
    aliases = TextAreaField("Further addresses", description="One a line. Messages to them count as ours.")
    is_enabled = BooleanField("Enabled", description="Switched off, the mailbox is paused; nothing is lost.")

    is_shadow = BooleanField(
        "Shadow mode",
        description="It fetches, and shows what it would have converted and answered. It does neither until "
        "this is switched off; what came until then is left to people.",
    )

    kind = SelectField("Account type", validate_choice=False)
    imap_enabled = BooleanField("Enable IMAP", description="Fetch messages.")
    imap_host = StringField("IMAP host", render_kw={"autocomplete": "off"})
    imap_port = IntegerField("IMAP port", [Optional()])
    imap_encryption = SelectField("IMAP encryption", choices=ENCRYPTIONS, validate_choice=False)
    smtp_enabled = BooleanField("Enable SMTP", description="Send replies and automatic responses.")
    smtp_host = StringField("SMTP host", render_kw={"autocomplete": "off"})
    smtp_port = IntegerField("SMTP port", [Optional()])
    smtp_encryption = SelectField("SMTP encryption", choices=ENCRYPTIONS, validate_choice=False)
    imap_user = StringField("User", render_kw={"autocomplete": "off"})
    imap_password = PasswordField("Password", render_kw={"autocomplete": "new-password"})
    smtp_user = StringField("SMTP user", description="Only if sending needs another login.")
    smtp_password = PasswordField("SMTP password", render_kw={"autocomplete": "new-password"})
    folder_list = HiddenField()
    history = RadioField("History to take over", choices=HISTORIES, validate_choice=False)
    history_days = IntegerField("Days", [Optional()])
    mirrors_read_state = BooleanField(
        "Mirror read state",
        description="What is read here is marked read on the server, and the other way round.",
    )
    copies_sent = BooleanField("Keep a copy of sent messages in the server's Sent folder")

    action = RadioField("What happens with new messages", validate_choice=False)
    automation_from = LocalMomentField(
        "Automation from",
        [InputRequired("Choose a date and time.")],
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        description="Messages that arrived earlier make no records and get no answers.",
    )
    converts_automatic = BooleanField(
        "Automatic mail converts too", description="Newsletters, bounces and the like are left out otherwise."
    )
    trusted_forms = TextAreaField(
        "Trusted web forms",
        description="Senders, one a line, whose messages always convert and are answered at their Reply-To.",
    )
    trusted_authserv_id = StringField(
        "Trusted authentication server",
        description="The name your server writes into Authentication-Results, such as mx.example.com.",
    )
    answers_unaddressed = BooleanField(
        "Answer messages that do not name this mailbox among their recipients",
        description="Such as blind copies. Off is safer.",
    )
    signature = TextAreaField("Signature", description="Empty: the one of the configuration.")


def mailbox_form(values: MailboxValues | None, *, is_new: bool) -> MailboxForm:
    """The form with the settings of every action, filled with the stored values."""
    fields: dict[str, Field] = {}
    for offer in offers():
        for setting in offer.action.fields:
            name = f"{offer.action.name}_{setting.name}"
            chosen = _chosen(values, offer.action.name, setting.name)
            fields[name] = setting_field(setting, name, chosen)
    again = typed_again()
    form: MailboxForm = type("FullMailboxForm", (MailboxForm,), fields)(
        data=data_of(values) if values else None, **again
    )
    form.kind.choices = kinds(form.kind.data)
    form.action.choices = [
        (NOTHING, "Do nothing"),
        *[(offer.action.name, offer.action.label) for offer in offers() if offer.action.name != NOTHING],
    ]
    if is_new and request.method == "GET" and not again:
        form.is_enabled.data = form.imap_enabled.data = form.copies_sent.data = True
    return form


def values_from(form: MailboxForm) -> MailboxValues:
    """What was typed, as values. `InvalidError` where a field cannot be understood."""
    action = form.action.data or NOTHING
    settings = {
        name.removeprefix(f"{action}_"): form[name].data
        for name in form._fields
        if name.startswith(f"{action}_") and name not in MailboxForm.__dict__
    }
    return MailboxValues(
        label=form.label.data or "",
        address=form.address.data or "",
        aliases=lines_of(form.aliases.data),
        is_enabled=bool(form.is_enabled.data),
        is_shadow=bool(form.is_shadow.data),
        kind=form.kind.data or "other",
        imap_enabled=bool(form.imap_enabled.data),
        imap_host=form.imap_host.data or "",
        imap_port=form.imap_port.data or 0,
        imap_encryption=form.imap_encryption.data or "tls",
        imap_user=form.imap_user.data or "",
        imap_password=form.imap_password.data or "",
        smtp_enabled=bool(form.smtp_enabled.data),
        smtp_host=form.smtp_host.data or "",
        smtp_port=form.smtp_port.data or 0,
        smtp_encryption=form.smtp_encryption.data or "starttls",
        smtp_user=form.smtp_user.data or "",
        smtp_password=form.smtp_password.data or "",
        folders=typed_folders(),
        history=form.history.data or "inherit",
        history_days=form.history_days.data,
        mirrors_read_state=bool(form.mirrors_read_state.data),
        copies_sent=bool(form.copies_sent.data),
        action=action,
        action_settings=settings,
        automation_from=utc(form.automation_from.data),
        converts_automatic=bool(form.converts_automatic.data),
        trusted_forms=lines_of(form.trusted_forms.data),
        trusted_authserv_id=form.trusted_authserv_id.data or "",
        answers_unaddressed=bool(form.answers_unaddressed.data),
        signature=(form.signature.data or "").strip() or None,
        grants=typed_grants(),
    )


def put_error(form: MailboxForm, error: InvalidError) -> None:
    """Show an error at the field it concerns, or above the form."""
    field = form._fields.get(error.field or "")
    if field is None:
        form.form_errors.append(error.message)
    else:
        field.errors = [*field.errors, error.message]


def folder_tree(folders: list[FolderChoice], chosen: list[bytes]) -> list[dict[str, Any]]:
    """Folders nested by their delimiter, for the component of that name."""
    roots: list[dict[str, Any]] = []
    by_path: dict[str, dict[str, Any]] = {}
    for folder in sorted(folders, key=lambda f: (f.special_use != "inbox", f.name.casefold())):
        node = _folder_node(folder, chosen)
        parent_name, delimiter, leaf = folder.name.rpartition(folder.delimiter or "\0")
        parent = by_path.get(parent_name) if delimiter else None
        if parent is not None:
            node["name"] = leaf
        (roots if parent is None else parent["children"]).append(node)
        by_path[folder.name] = node
    return roots


def _folder_node(folder: FolderChoice, chosen: list[bytes]) -> dict[str, Any]:
    warning = (
        "Holds every message a second time. Usually Inbox is enough." if folder.special_use == "all" else ""
    )
    return {
        "id": folder.name_raw.decode("latin-1"),
        "name": folder.name,
        "is_chosen": folder.name_raw in chosen,
        "use": None if folder.special_use == "other" else folder.special_use,
        "message_count": folder.message_count,
        "is_selectable": folder.is_selectable,
        "warning": warning,
        "children": [],
    }


def setting_field(setting: Setting, name: str = "", chosen: str = "") -> Field:
    """The control of a setting of an action, with what the current organization can choose.

    People are many: those that were searched for under ``find_NAME``, and the one who is ``chosen``.
    """
    if setting.kind in {"member", "lead_source", "choice"}:
        empty = [] if setting.kind == "choice" and setting.required else [("", "—")]
        return SelectField(
            setting.label,
            choices=[*empty, *choices_of(setting, searched(name), chosen)],
            description=setting.help,
            default=setting.default,
            validate_choice=False,
        )
    return StringField(setting.label, description=setting.help, default=setting.default)


def _chosen(values: MailboxValues | None, action: str, setting: str) -> str:
    """What a setting holds: as it was sent, else as it is stored."""
    if values is None or values.action != action:
        return typed_form().get(f"{action}_{setting}", "")
    return str(values.action_settings.get(setting) or "")


def kinds(current: str | None) -> list[tuple[str, str]]:
    """Account types that can be chosen here, and the one that is."""
    offered = [("other", "Other"), *oauth.offered_kinds()]
    known = {kind for kind, _ in offered}
    return offered if current in {None, *known} else [*offered, (str(current), str(current).capitalize())]


def data_of(values: MailboxValues) -> dict[str, Any]:
    """What the fields of the form hold."""
    data = dict(vars(values))
    for name in ("aliases", "trusted_forms"):
        data[name] = "\n".join(data[name])
    data["automation_from"] = values.automation_from.astimezone(_zone()).replace(tzinfo=None)
    data["imap_password"] = data["smtp_password"] = ""
    data["version"] = version_of(values)
    for name, value in values.action_settings.items():
        data[f"{values.action}_{name}"] = ", ".join(value) if isinstance(value, list) else value
    return data


def lines_of(text: str | None) -> list[str]:
    """Words of a text field, each once."""
    return list(dict.fromkeys(part for part in re.split(r"[\s,;]+", text or "") if part))


def utc(moment: datetime | None) -> datetime:
    """A moment as it was typed in the person's zone; now where nothing was."""
    if moment is None:
        return datetime.now(UTC)
    return moment.replace(tzinfo=_zone()).astimezone(UTC)


def _zone() -> ZoneInfo:
    return ZoneInfo(g.get("zone") or "UTC")
