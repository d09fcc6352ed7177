"""Forms as the product has them, for the pages of the gallery."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

OPERATORS: list[Any] = ["contains", "does not contain", "is equal to", "starts with", "is empty"]
LANGUAGES: list[Any] = ["English", "Deutsch", "Français"]
ENCRYPTIONS: list[Any] = ["SSL/TLS", "STARTTLS", "None"]
OWNERS: list[Any] = ["Mara Lindqvist", "Jonas Weber"]


class ConditionForm(Form):
    """One condition of a rule."""

    field = SelectField(choices=[("subject", "Subject"), ("from", "From"), ("header", "Header")])
    header = StringField()
    operator = SelectField(choices=OPERATORS)
    value = StringField(validators=[InputRequired("Say what to compare with")])


class RuleForm(FlaskForm):
    """One field of every kind."""

    name = StringField("Name", validators=[InputRequired("Give the rule a name")])
    language = SelectField("Language", choices=LANGUAGES)
    limit = IntegerField("Automatic responses")
    body = TextAreaField("Content")
    is_active = BooleanField("Active")
    processing = RadioField(
        "Processing",
        choices=[("none", "Do nothing"), ("lead", "Convert to lead"), ("case", "Convert to case")],
    )
    days = SelectMultipleField(
        "Days",
        choices=[("mon", "Monday"), ("tue", "Tuesday")],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    password = PasswordField("Password")
    conditions = FieldList(FormField(ConditionForm))


class MailboxForm(FlaskForm):
    """The fields of a mailbox's page."""

    label = StringField("Mailbox label", validators=[InputRequired()])
    address = StringField("Email address", validators=[InputRequired()])
    account_type = RadioField(
        "Account type", choices=[("other", "Other"), ("google", "Google"), ("m365", "Microsoft 365")]
    )
    host = StringField("IMAP host", validators=[InputRequired()])
    port = IntegerField("Port")
    encryption = SelectField("Encryption", choices=ENCRYPTIONS)
    user = StringField("User")
    password = PasswordField("Password")
    processing = RuleForm.processing
    owner = SelectField("Owner", choices=OWNERS)


class ConfigurationForm(FlaskForm):
    """Settings, each with its box to inherit."""

    is_enabled = BooleanField("Synchronization", description="Switches off every mailbox.")
    is_enabled_inherits = BooleanField()
    interval = IntegerField(
        "Interval", description="How often a mailbox without push is looked at.", render_kw={"min": 10}
    )
    interval_inherits = BooleanField()
    history = IntegerField("History of a first sync", description="0 takes over nothing older.")
    history_inherits = BooleanField()
    size = IntegerField("Largest message", description="Larger ones wait in quarantine.")
    size_inherits = BooleanField()
    language = SelectField("Language of responses", choices=LANGUAGES)
    language_inherits = BooleanField()
    signature = TextAreaField("Signature", description="Appended to replies of people.")
    signature_inherits = BooleanField()


class SignInForm(FlaskForm):
    """Who, and the proof."""

    address = StringField("Email address", render_kw={"autocomplete": "username", "type": "email"})
    password = PasswordField("Password", render_kw={"autocomplete": "current-password"})
    stay = BooleanField("Stay signed in on this device")
