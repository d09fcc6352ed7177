"""Forms of cases."""

from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.crm import texts
from mailboxes.crm.cases import PRIORITY_NAMES, SOURCES
from webapp.records import clean_text, remark_field
from webapp.versions import OverwritingForm, VersionedForm

LONG = [Length(max=texts.NOTES_LENGTH, message="At most 50 000 characters.")]


class CaseForm(VersionedForm):
    """What people know about a case."""

    subject = StringField(
        "Subject",
        validators=[DataRequired("Type a subject."), Length(max=255, message="At most 255 characters.")],
        filters=[clean_text],
    )
    description = TextAreaField("Description", validators=LONG, filters=[clean_text], render_kw={"rows": 8})
    resolution = TextAreaField(
        "Resolution",
        validators=LONG,
        filters=[clean_text],
        render_kw={"rows": 4},
        description="What solved it.",
    )
    source = SelectField("Came by", choices=list(SOURCES.items()))
    priority = SelectField("Priority", choices=list(PRIORITY_NAMES.items()), default="normal")
    owner_id = SelectField("Owner")
    assignee_id = SelectField("Assigned to")
    tags = StringField("Tags", validators=[Length(max=1000)], filters=[clean_text])
    contact_address = StringField(
        "Contact's email",
        validators=[Length(max=320)],
        filters=[clean_text],
        description="An address of a contact; empty for none.",
        render_kw={"type": "email"},
    )


class CommentForm(OverwritingForm):
    """Something to write on a case."""

    text = remark_field("Comment")
    is_public = BooleanField(
        "Public",
        description="The customer may be told it: email templates can name the newest one of a case.",
    )
