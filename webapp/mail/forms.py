"""Forms of My Emails."""

from flask_wtf import FlaskForm
from flask_wtf.file import MultipleFileField
from wtforms import BooleanField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from mailboxes.drafts import LONGEST, Draft
from mailboxes.inbox.saved_views import NAME_LENGTH
from mailboxes.threads.tags import NAME_LENGTH as LONGEST_TAG
from webapp.records import clean_text, remark_field
from webapp.versions import OverwritingForm, VersionedForm

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


class NoteForm(OverwritingForm):
    """Something to tell colleagues on a conversation."""

    text = remark_field("Note", id="note-text")


class SnoozeForm(FlaskForm):
    """When a conversation comes back."""

    until = StringField("Day and time", render_kw={"type": "datetime-local"})


class TaggingForm(FlaskForm):
    """A tag for a conversation."""

    tag = StringField("Tag", render_kw={"maxlength": LONGEST_TAG, "autocomplete": "off", "list": "known"})


class ViewForm(OverwritingForm):
    """What a saved view is called, and whose it is."""

    name = StringField(
        "Name",
        validators=[DataRequired("Type a name."), Length(max=NAME_LENGTH)],
        filters=[clean_text],
    )
    is_shared = BooleanField("For everybody in the organization")


class JoiningForm(VersionedForm):
    """Which conversation to join another one with, as the page said what that does."""

    other = HiddenField()
    is_typed = False
    meanwhile = "while this page was open"
    go_on = "Read below what joining them does now."


def form_of(draft: Draft) -> DraftForm:
    """A form that shows a draft, whatever the request holds."""
    return DraftForm(formdata=None, obj=draft, mailbox=str(draft.mailbox_id))
