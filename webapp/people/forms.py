"""Forms about people and roles."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.records import clean_text
from webapp.validators import is_address, is_long_enough, is_typed_again
from webapp.versions import OverwritingForm


class CheckBoxes(SelectMultipleField):
    """Several of a list, as boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class InviteForm(FlaskForm):
    """Whom to invite, with which roles."""

    address = StringField(
        "Email address",
        [
            InputRequired("Type the person's email address."),
            is_address,
            Length(max=320),
        ],
        render_kw={"type": "email", "autocomplete": "off"},
    )
    roles = CheckBoxes(
        "Roles",
        coerce=str,
        validate_choice=False,
        description="What the person may do here. You can change it later.",
    )


class MemberForm(OverwritingForm):
    """What a member holds."""

    roles = CheckBoxes("Roles", coerce=str, validate_choice=False)


class RoleForm(OverwritingForm):
    """A role of the organization's own."""

    name = StringField("Name", [InputRequired("Give the role a name."), Length(max=60)], filters=[clean_text])
    permissions = CheckBoxes("Permissions", coerce=str, validate_choice=False)


class JoinForm(FlaskForm):
    """A new person accepts an invitation."""

    name = StringField("Your name", [InputRequired("Type your name."), Length(max=200)], filters=[clean_text])
    password = PasswordField(
        "Choose a password",
        [InputRequired("Choose a password."), is_long_enough],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "The password again",
        [is_typed_again],
        render_kw={"autocomplete": "new-password"},
    )


class AcceptForm(FlaskForm):
    """A known person accepts: one button."""


class PasswordForm(FlaskForm):
    """Change one's own password."""

    current = PasswordField(
        "Current password",
        [InputRequired("Type your current password.")],
        render_kw={"autocomplete": "current-password"},
    )
    password = PasswordField(
        "New password",
        [InputRequired("Choose a new password."), is_long_enough],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "The new password again",
        [is_typed_again],
        render_kw={"autocomplete": "new-password"},
    )


class ProofForm(FlaskForm):
    """The password once more, before something that must not be done by whoever finds an open page."""

    current = PasswordField(
        "Your password",
        [InputRequired("Type your password.")],
        render_kw={"autocomplete": "current-password"},
    )


class OrganizationForm(OverwritingForm):
    """What an organization is called."""

    name = StringField("Name", [InputRequired("Give the organization a name."), Length(max=100)])


class AdministratorForm(FlaskForm):
    """Who is invited to administer an organization."""

    address = StringField(
        "Email address of the administrator",
        [
            InputRequired("Type the address of the administrator."),
            is_address,
            Length(max=320),
        ],
        render_kw={"type": "email", "autocomplete": "off"},
    )


class NewOrganizationForm(OrganizationForm, AdministratorForm):
    """A new organization with its first administrator."""

    slug = StringField(
        "Short name",
        [InputRequired("Choose a short name."), Length(max=50)],
        description="For files and commands: lower-case letters, digits and hyphens. It stays as it is.",
    )


class UserForm(OverwritingForm):
    """Who a user of the installation is."""

    name = StringField("Name", [Length(max=200)], filters=[clean_text])
    address = StringField(
        "Email address",
        [InputRequired("Type the address with which the person signs in."), is_address, Length(max=320)],
        description="The person signs in with it.",
        render_kw={"type": "email", "autocomplete": "off"},
    )


class NewUserForm(UserForm):
    """A new user of the installation."""

    is_system_admin = BooleanField(
        "System administrator",
        description="Sets up the installation: every organization, its mailboxes and its users.",
    )
