"""The forms of routing pages. What is wrong with their values, the domain says."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from mailboxes.routing.deciding import FIELDS
from webapp.records import storable
from webapp.versions import OverwritingForm

LARGEST_PASTE = 1_000_000  # characters
CHOICES = [(name, words.capitalize()) for name, words in FIELDS.items()]
LIST = {"list": "organizations", "autocomplete": "off"}


class RuleForm(OverwritingForm):
    """One routing rule."""

    field = SelectField("Look at", choices=CHOICES)
    value = StringField(
        "Value",
        validators=[InputRequired("Say what to compare with."), Length(max=400)],
        filters=[storable],
    )
    organization = StringField(
        "Organization", validators=[InputRequired("Choose an organization.")], render_kw=LIST
    )
    position = IntegerField("Place in the list", validators=[Optional(), NumberRange(min=1)])
    again = BooleanField("Route what waits in Unrouted again, by the new list")


class AssignForm(FlaskForm):
    """To whom messages go."""

    organization = StringField(
        "Organization", validators=[InputRequired("Choose an organization.")], render_kw=LIST
    )


class MoveForm(AssignForm):
    """Where a message moves."""

    whole = BooleanField("Also move the other messages that came in in its conversation")


class TryForm(FlaskForm):
    """A message to try: pasted, or one that came lately."""

    recent = SelectField("A recent message", validators=[Optional()], choices=[], validate_choice=False)
    raw = TextAreaField(
        "Or paste a message",
        validators=[Length(max=LARGEST_PASTE)],
        description="Its headers are enough: From, To, Cc, In-Reply-To, References. "
        "Where both are given, this one is tried.",
    )
