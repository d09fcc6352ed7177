"""Forms of contacts."""

from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import Length

from mailboxes.crm import texts
from tenants.configuration.catalog import LANGUAGES
from webapp.records import clean_text

SHORT = [Length(max=texts.NAME_LENGTH, message="At most 255 characters.")]


class ContactForm(FlaskForm):
    """What people know about a contact."""

    name = StringField(
        "Name",
        validators=SHORT,
        filters=[clean_text],
        description="As lists show it. No message ever changes it.",
    )
    first_name = StringField("First name", validators=SHORT, filters=[clean_text])
    last_name = StringField("Last name", validators=SHORT, filters=[clean_text])
    addresses = TextAreaField(
        "E-mail addresses",
        validators=[Length(max=20_000)],
        filters=[clean_text],
        render_kw={"rows": 3},
        description="One a line. Each belongs to one contact only.",
    )
    company = StringField("Company", validators=SHORT, filters=[clean_text])
    phone = StringField("Phone", validators=SHORT, filters=[clean_text], render_kw={"type": "tel"})
    language = SelectField(
        "Language",
        choices=[("", "Unknown"), *LANGUAGES.items()],
        description="Automatic responses use it where a message itself does not say.",
    )
    notes = TextAreaField(
        "Notes", validators=[Length(max=texts.NOTES_LENGTH)], filters=[clean_text], render_kw={"rows": 6}
    )
