"""Forms at the door."""

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField, SubmitField
from wtforms.validators import InputRequired, Length


class SignInForm(FlaskForm):
    """Address and password."""

    address = StringField(
        "E-mail address",
        validators=[InputRequired("Type your e-mail address."), Length(max=320)],
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

    code = StringField(
        "Code from your authenticator app",
        validators=[InputRequired("Type the six digits that your app shows.")],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True},
    )
