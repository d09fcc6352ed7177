"""Forms of contacts."""

from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import Length

from mailboxes.crm import texts
from tenants.configuration.catalog import LANGUAGES
from webapp.records import clean_text
from webapp.versions import VersionedForm

SHORT = [Length(max=texts.NAME_LENGTH, message="At most 255 characters.")]

# What messages are recognized in; templates are written in some of these.
SPOKEN = LANGUAGES | {
    "ar": "Arabic", "el": "Greek", "he": "Hebrew", "hu": "Hungarian", "ja": "Japanese", "ko": "Korean",
    "nb": "Norwegian (Bokmål)", "no": "Norwegian", "ru": "Russian", "zh": "Chinese",
}  # fmt: skip


def language_choices(said: str = "") -> list[tuple[str, str]]:
    """The languages of a contact, and the one that a mail program said, whatever it is."""
    named = SPOKEN | ({said: said} if said and said not in SPOKEN else {})
    return [("", "Unknown"), *sorted(named.items(), key=lambda language: language[1])]


class ContactForm(VersionedForm):
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
        "Email addresses",
        validators=[Length(max=20_000)],
        filters=[clean_text],
        render_kw={"rows": 3},
        description="One a line. Each belongs to one contact only.",
    )
    company = StringField("Company", validators=SHORT, filters=[clean_text])
    phone = StringField("Phone", validators=SHORT, filters=[clean_text], render_kw={"type": "tel"})
    language = SelectField(
        "Language",
        choices=language_choices(),
        description="Automatic responses use it where a message itself does not say.",
    )
    notes = TextAreaField(
        "Notes", validators=[Length(max=texts.NOTES_LENGTH)], filters=[clean_text], render_kw={"rows": 6}
    )
