"""Forms of leads."""

from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.crm import texts
from webapp.records import clean_text
from webapp.versions import VersionedForm

SHORT = [Length(max=texts.NAME_LENGTH, message="At most 255 characters.")]


class LeadForm(VersionedForm):
    """What people know about a lead."""

    name = StringField(
        "Name",
        validators=[DataRequired("Type a name."), *SHORT],
        filters=[clean_text],
        description="What it is about, as lists show it.",
    )
    first_name = StringField("First name", validators=SHORT, filters=[clean_text])
    last_name = StringField("Last name", validators=SHORT, filters=[clean_text])
    company = StringField("Company", validators=SHORT, filters=[clean_text])
    job_title = StringField("Job title", validators=SHORT, filters=[clean_text])
    address = StringField(
        "Email",
        validators=SHORT,
        filters=[clean_text],
        render_kw={"type": "email"},
    )
    phone = StringField("Phone", validators=SHORT, filters=[clean_text], render_kw={"type": "tel"})
    website = StringField("Website", validators=SHORT, filters=[clean_text])
    notes = TextAreaField(
        "Notes",
        validators=[Length(max=texts.NOTES_LENGTH)],
        filters=[clean_text],
        render_kw={"rows": 8},
    )
    owner_id = SelectField("Owner")
    source_id = SelectField("Source")
