"""The forms of lead sources."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from mailboxes.crm.lead_sources import NAME_LENGTH
from webapp import records
from webapp.versions import OverwritingForm

STATES = [("0", "Offered"), ("1", "Hidden")]


class NameForm(OverwritingForm):
    """What a source is called."""

    name = StringField(
        "Name",
        validators=[DataRequired("Type a name."), Length(max=NAME_LENGTH)],
        filters=[records.clean_text],
    )


class SourceForm(OverwritingForm):
    """Name and state of a source; of a system's one, whether each follows the system."""

    name = StringField("Name", validators=[Length(max=NAME_LENGTH)], filters=[records.clean_text])
    hidden = SelectField("State", choices=STATES, description="A hidden source is not offered for new leads.")
    follows_name = BooleanField("Use system value")
    follows_hidden = BooleanField("Use system value")


class MergeForm(FlaskForm):
    """Which source takes over."""

    into = SelectField("Merge into")
