"""Forms of My Emails."""

from flask_wtf import FlaskForm
from flask_wtf.file import MultipleFileField
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.crm import texts
from mailboxes.drafts import LONGEST, Draft
from webapp.records import clean_text
from webapp.versions import VersionedForm

_LINE = {"autocomplete": "off", "list": "people", "spellcheck": "false", "maxlength": LONGEST["to"]}


class DraftForm(FlaskForm):
    """What is typed into an answer; all of it is kept as typed and checked when it is sent."""

    mailbox = SelectField("From", validate_choice=False)
    to = StringField("To", render_kw=_LINE)
    cc = StringField("Cc", render_kw=_LINE)
    bcc = StringField("Bcc", render_kw=_LINE)
    subject = StringField("Subject", render_kw={"maxlength": LONGEST["subject"], "autocomplete": "off"})
    body = TextAreaField("Your message", render_kw={"rows": 12, "maxlength": LONGEST["body"]})
    files = MultipleFileField("Files")

    def typed(self) -> dict[str, str]:
        """The fields of a draft that came with the request."""
        values = {name: self[name] for name in LONGEST}
        return {name: field.data or "" for name, field in values.items() if field.raw_data}


class NoteForm(FlaskForm):
    """Something to tell colleagues on a conversation."""

    text = TextAreaField(
        "Note",
        id="note-text",
        validators=[
            DataRequired("Write something first."),
            Length(max=texts.NOTES_LENGTH, message="At most 50 000 characters."),
        ],
        filters=[clean_text],
        render_kw={"rows": 3},
    )


class JoiningForm(VersionedForm):
    """Which conversation to join another one with, as the page said what that does."""

    other = HiddenField()
    is_typed = False
    meanwhile = "while this page was open"
    go_on = "Read below what joining them does now."


def form_of(draft: Draft) -> DraftForm:
    """A form that shows a draft, whatever the request holds."""
    return DraftForm(formdata=None, obj=draft, mailbox=str(draft.mailbox_id))
