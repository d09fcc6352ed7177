"""Forms at the door."""

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField, SubmitField
from wtforms.validators import InputRequired, Length

from webapp.typed_before import CodeField
from webapp.validators import is_address, is_long_enough, is_typed_again


class SignInForm(FlaskForm):
    """Address and password."""

    address = StringField(
        "Email address",
        validators=[InputRequired("Type your email address."), Length(max=320)],
        filters=[lambda text: text and text.strip()],
        render_kw={"autocomplete": "username", "type": "email", "autofocus": True},
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Type your password."), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()
    submit = SubmitField("Sign in")


class CodeForm(FlaskForm):
    """A code of an authenticator app."""

    code = CodeField(
        "Code from your authenticator app",
        validators=[InputRequired("Type the six digits that your app shows.")],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True},
    )


class RecoveryForm(FlaskForm):
    """A recovery code instead."""

    code = CodeField(
        "Recovery code",
        validators=[InputRequired("Type one of your recovery codes."), Length(max=100)],
        description="One of the codes that were shown when you set up the second factor. Each works once.",
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "autofocus": True},
    )


class LinkForm(FlaskForm):
    """The password, once, of somebody who comes from the identity provider."""

    password = PasswordField(
        "Password",
        validators=[InputRequired("Type your password."), Length(max=1000)],
        render_kw={"autocomplete": "current-password", "autofocus": True},
    )


class ForgottenForm(FlaskForm):
    """Whose password was forgotten."""

    address = StringField(
        "Email address",
        validators=[InputRequired("Type the address with which you sign in."), is_address, Length(max=320)],
        filters=[lambda text: text and text.strip()],
        render_kw={"autocomplete": "username", "type": "email", "autofocus": True},
    )


class NewPasswordForm(FlaskForm):
    """A password, twice."""

    password = PasswordField(
        "New password",
        validators=[InputRequired("Choose a password."), is_long_enough],
        render_kw={"autocomplete": "new-password", "autofocus": True},
    )
    again = PasswordField(
        "The new password again",
        validators=[is_typed_again],
        render_kw={"autocomplete": "new-password"},
    )
