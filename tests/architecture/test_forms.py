"""Whoever saves a form replaces nothing that somebody else saved while it was open."""

from flask_wtf import FlaskForm

from tests.architecture.test_routes import APP
from webapp.versions import VersionedForm

# What replaces nothing that another person might change meanwhile, and why.
OVERWRITES_NOTHING = {
    "SignInForm": "proves who somebody is",
    "CodeForm": "proves who somebody is",
    "RecoveryForm": "proves who somebody is",
    "LinkForm": "proves who somebody is",
    "ForgottenForm": "asks for a link",
    "NewPasswordForm": "is about oneself",
    "PasswordForm": "is about oneself",
    "ProofForm": "proves who somebody is",
    "JoinForm": "makes somebody new",
    "AcceptForm": "is one button",
    "InviteForm": "makes an invitation",
    "AdministratorForm": "makes an invitation",
    "LetterForm": "sends a letter",
    "DraftForm": "is one's own draft",
    "TokenForm": "makes a token",
    "AssignForm": "says where messages go once",
    "MoveForm": "says where messages go once",
    "TryForm": "changes nothing",
    "SnoozeForm": "says once when a conversation comes back",
    "TaggingForm": "adds a tag to those that there are",
    "MergeForm": "names its effect, which is the same whatever was changed",
}


def forms(base=FlaskForm):
    for form in base.__subclasses__():
        yield form
        yield from forms(form)


def test_a_form_notices_a_second_writer_or_overwrites_nothing():
    assert APP.url_map, "all views have been imported"
    ours = {form for form in forms() if form.__module__.startswith("webapp.")}
    unaware = {form.__name__ for form in ours if not issubclass(form, VersionedForm)}
    assert unaware == OVERWRITES_NOTHING.keys(), "let it be an OverwritingForm of webapp/versions.py"
