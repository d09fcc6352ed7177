"""Validators that several forms share."""

from email_validator import EmailNotValidError, validate_email
from flask_wtf import FlaskForm
from wtforms import Field, ValidationError
from wtforms.validators import EqualTo, Length

from tenants.users import MINIMUM_PASSWORD_LENGTH

is_long_enough = Length(
    min=MINIMUM_PASSWORD_LENGTH, max=1000, message=f"Use at least {MINIMUM_PASSWORD_LENGTH} characters."
)
is_typed_again = EqualTo("password", "The two passwords differ. Type both again.")


def is_address(form: FlaskForm, field: Field) -> None:
    """An email address as RFC 5321 knows it; nothing is asked of its domain."""
    try:
        validate_email((field.data or "").strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValidationError("Type an email address, such as mia@example.com.") from None
