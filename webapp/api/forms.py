"""The form of a token."""

from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from tenants.api_tokens import LONGEST_NAME, SCOPES
from webapp.people.forms import CheckBoxes
from webapp.records import clean_text

LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Does not expire"))


class TokenForm(FlaskForm):
    """What a token is called, what it is for, and for how long."""

    name = StringField(
        "Name",
        [InputRequired("Give it a name."), Length(max=LONGEST_NAME)],
        filters=[clean_text],
        description="Which program uses it, such as “Web shop”.",
    )
    scopes = CheckBoxes(
        "What it is for",
        choices=list(SCOPES.items()),
        description="It never does more than you may at that moment.",
    )
    days = SelectField("Expires", choices=LIFETIMES, default="90")
