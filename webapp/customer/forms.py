"""What a customer writes."""

from email.headerregistry import Address
from email.utils import parseaddr

from email_validator import EmailNotValidError, validate_email
from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from webapp.customer.letters import KINDS
from webapp.records import clean_text

LONGEST = 50_000


class LetterForm(FlaskForm):
    """A message from the world outside. ``in_reply_to`` and ``references`` are those headers."""

    sender = StringField(
        "From",
        [InputRequired("Choose a customer, or type a name and an address."), Length(max=300)],
        description="Choose a customer, or type somebody new, such as Nora Field <nora@field.example>.",
        filters=[clean_text],
        render_kw={"list": "customers", "autocomplete": "off"},
    )
    mailbox = SelectField("To", [InputRequired("Choose a mailbox.")])
    kind = SelectField("What it is", choices=list(KINDS.items()))
    subject = StringField("Subject", [Length(max=500)], filters=[clean_text])
    text = TextAreaField(
        "Message",
        [InputRequired("Write something."), Length(max=LONGEST)],
        filters=[clean_text],
        render_kw={"rows": 12, "dir": "auto"},
    )
    in_reply_to = HiddenField(filters=[clean_text])
    references = HiddenField(filters=[clean_text])

    def validate_sender(self, field: StringField) -> None:
        """An address of a domain that exists nowhere, so that nobody real is ever written to."""
        name, address = parseaddr(field.data or "")
        try:
            checked = validate_email(
                address, check_deliverability=False, test_environment=True, allow_smtputf8=False
            )
        except EmailNotValidError:
            raise ValidationError("Write it like Nora Field <nora@field.example>.") from None
        if not checked.ascii_domain.endswith(".example"):
            raise ValidationError("Use an address that ends in .example: those belong to nobody.")
        self.person = Address(" ".join(name.split()), checked.local_part, checked.ascii_domain)

    person: Address
