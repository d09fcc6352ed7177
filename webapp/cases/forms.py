"""Forms of cases."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from mailboxes.crm import texts
from mailboxes.crm.cases import PRIORITY_NAMES, SOURCES
from webapp.records import clean_text
from webapp.versions import VersionedForm

LONG = [Length(max=texts.NOTES_LENGTH, message="At most 50 000 characters.")]


class CaseForm(VersionedForm):
    """What people know about a case."""

    subject = StringField(
        "Subject",
        validators=[InputRequired("Type a subject."), Length(max=255, message="At most 255 characters.")],
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


class CommentForm(FlaskForm):
    """Something to write on a case."""

    text = TextAreaField(
        "Comment",
        validators=[InputRequired("Write something first."), *LONG],
        filters=[clean_text],
        render_kw={"rows": 3},
    )
    is_public = BooleanField("Public", description="Public comments may be shown to the customer.")
