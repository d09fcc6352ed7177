"""What an export says makes the same installation again, and holds no secret."""

import pytest

from mailboxes import interchange
from mailboxes.accounts import Folder, folders_of
from mailboxes.setup.saving import account_of
from tenants.configuration.layers import secret_of
from tenants.database import db
from tests.mailboxes.interchange.written import SECRETS, apply, empty, mailbox, secrets_of_an_export


def test_an_export_applied_to_an_empty_database_exports_the_same(app, theirs, database_urls):
    apply()
    exported = interchange.export("nordwind")
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export("nordwind") == exported


@pytest.mark.parametrize("use", ["junk", "flagged", "other"])
def test_what_a_pass_said_of_a_folder_is_exported_in_words_that_can_be_applied(applied, nordwind, use):
    sent = folders_of(account_of(mailbox())).where(Folder.name == "Sent")
    db.session.scalars(sent).one().special_use = use
    db.session.commit()
    assert apply(interchange.export("nordwind"), secrets_of_an_export()) == []


def test_a_whole_installation_comes_back_from_its_export(app, database_urls):
    apply()
    exported = interchange.export()
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export() == exported
    with app.app_context():
        assert secret_of("smtp.password") == "system secret"


def test_an_export_holds_no_secret(applied):
    exported = interchange.export()
    for secret in SECRETS.values():
        assert secret not in exported
    for name in secrets_of_an_export():
        assert f"${{{name}}}" in exported
    assert "argon2" not in exported


def test_an_export_of_one_organization_names_no_other(applied, theirs):
    exported = interchange.export("nordwind")
    assert theirs.canary not in exported
    assert theirs.name not in exported
    assert "system:\n  settings" not in exported
    assert "Rosa Root" not in exported


def test_a_webhook_that_has_no_mailbox_left_is_exported_in_words_that_can_be_applied(applied):
    apply("organizations: [{slug: nordwind, webhooks: [{name: Warehouse, mailboxes: []}]}]")
    exported = interchange.export("nordwind")
    assert "mailboxes: []" in exported
    assert apply(exported, secrets_of_an_export()) == []
