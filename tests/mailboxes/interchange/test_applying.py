"""An installation as a file: planned and applied."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailboxes import interchange
from mailboxes.accounts import Folder, folders_of
from mailboxes.connections import password_of
from mailboxes.intake.arrived import box_of
from mailboxes.interchange import FileError
from mailboxes.messages import Message
from mailboxes.rules import rules_of
from mailboxes.setup.saving import account_of
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry, SystemAuditEntry
from tenants.configuration.layers import effective, value_of
from tenants.database import db
from tenants.organizations import Organization
from tenants.users import knows_password, user_by_address
from tests.mailboxes.arriving import letter, receive
from tests.mailboxes.deleting import finish_deleting
from tests.mailboxes.interchange.written import FILE, SECRETS, apply, change_of, mailbox, plan


def test_a_file_makes_an_organization_with_everything_in_it(applied, nordwind):
    assert value_of("response.window_hours") == 12
    assert value_of("sync.interval_seconds") == 30
    found = mailbox()
    account = account_of(found)
    assert (found.label, found.action, found.action_settings["priority"]) == ("Support", "case", "high")
    assert (account.history, account.history_days) == ("days", 30)
    assert [rule.name for rule in db.session.scalars(rules_of(found))] == ["Invoices", "Everybody else"]
    assert knows_password(user_by_address("ada@nordwind.example"), "a long password")
    assert user_by_address("root@installation.example").is_system_admin


def test_every_act_is_on_the_record_as_the_terminals(applied, nordwind):
    acts = set(db.session.scalars(select(AuditEntry.act).where(AuditEntry.actor_name == "terminal")))
    assert {
        "mailbox.created", "rule.created", "template.created", "role.saved", "member.added",
        "member.roles_changed", "configuration.changed", "lead_source.added", "channel.added",
    } <= acts  # fmt: skip
    of_system = set(db.session.scalars(select(SystemAuditEntry.act)))
    assert {"user.created", "organization.created", "configuration.changed"} <= of_system


def test_applying_a_file_again_changes_nothing_and_records_nothing(applied, nordwind):
    before = db.session.scalar(select(func.count()).select_from(AuditEntry))
    assert apply() == []
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == before


def test_a_plan_says_what_would_change_and_changes_nothing(applied, nordwind):
    planned = plan(change_of("label: Kundendienst", "processing: {settings: {priority: low}}"))
    assert planned == [
        "~ organization nordwind / mailboxes / support@nordwind.example / label: Support → Kundendienst",
        "~ organization nordwind / mailboxes / support@nordwind.example / processing / settings / priority:"
        " high → low",
    ]
    assert mailbox().label == "Support"


def test_the_plan_of_a_whole_new_file_is_what_applying_it_does(app, theirs):
    planned = plan()
    assert db.session.scalars(select(Organization.slug).where(Organization.slug == "nordwind")).all() == []
    assert user_by_address("ada@nordwind.example") is None
    assert apply() == planned
    assert "+ organization nordwind" in planned
    assert "+ organization nordwind / mailboxes / support@nordwind.example" in planned
    assert "+ system / settings / smtp.password" in planned
    assert not any(secret in line for secret in SECRETS.values() for line in planned)


def test_an_address_is_found_however_its_domain_is_written(app, theirs):
    text = """
    organizations:
      - slug: books
        name: Books
        members: [{address: ada@xn--bcher-kva.example, name: Ada, roles: [Administrator]}]
        mailboxes:
          - address: info@xn--bcher-kva.example
            aliases: [shop@xn--bcher-kva.example]
            account: {imap: {enabled: false}}
    """
    apply(text)
    for written in ("xn--bcher-kva.example", "B\u00fccher.example", "bu\u0308cher.example"):
        assert apply(text.replace("xn--bcher-kva.example", written)) == [], written
        assert user_by_address(f"ada@{written}").address == "ada@b\u00fccher.example"


def test_what_a_file_does_not_mention_stays(applied, nordwind):
    assert apply(change_of("signature: Kind regards")) == [
        "+ organization nordwind / mailboxes / support@nordwind.example / signature: Kind regards"
    ]
    found = mailbox()
    assert (found.label, found.signature) == ("Support", "Kind regards")
    assert len(db.session.scalars(rules_of(found)).all()) == 2


def test_a_value_of_null_lets_a_setting_go(applied, nordwind):
    text = "organizations:\n  - slug: nordwind\n    settings: {response.window_hours: null}\n"
    assert apply(text) == ["- organization nordwind / settings / response.window_hours: 12"]
    assert value_of("response.window_hours") == 24


def test_a_rehearsal_deletes_no_message(applied, nordwind):
    receive(nordwind, mailbox("sales@nordwind.example"), letter())
    gone = """
        organizations:
          - {slug: nordwind, mailboxes: [{address: sales@nordwind.example, state: absent}]}
        """
    place = "- organization nordwind / mailboxes / sales@nordwind.example"
    assert plan(gone) == [place]
    assert db.session.scalar(select(func.count()).select_from(Message)) == 1
    assert apply(gone) == [place]
    finish_deleting()
    assert db.session.scalar(select(func.count()).select_from(Message)) == 0


def test_only_state_absent_removes(applied, nordwind):
    removed = apply(
        """
        organizations:
          - slug: nordwind
            templates:
              - {name: Welcome, state: absent}
            mailboxes:
              - address: sales@nordwind.example
                state: absent
              - address: support@nordwind.example
                access:
                  - {person: ada@nordwind.example, state: absent}
                rules:
                  - {name: Invoices, state: absent}
        """
    )
    place = "- organization nordwind /"
    assert removed == [
        f"{place} templates / Welcome",
        f"{place} mailboxes / sales@nordwind.example",
        f"{place} mailboxes / support@nordwind.example / access / person ada@nordwind.example",
        f"{place} mailboxes / support@nordwind.example / rules / Invoices",
    ]
    assert [found.address for found in db.session.scalars(select(Mailbox))] == ["support@nordwind.example"]


def test_rules_take_the_order_of_the_file(applied, nordwind):
    changes = apply(change_of("rules:", "  - name: Everybody else", "  - name: Invoices"))
    assert changes == [
        "~ organization nordwind / mailboxes / support@nordwind.example / rules / order:"
        " Invoices, Everybody else → Everybody else, Invoices"
    ]
    assert [rule.name for rule in db.session.scalars(rules_of(mailbox()))] == ["Everybody else", "Invoices"]


def test_a_rule_can_change_from_a_template_to_a_response_of_its_own(applied, nordwind):
    apply(change_of("rules:", "  - name: Invoices", "    response: {texts: {en: {content: Thank you.}}}"))
    exported = interchange.export("nordwind")
    assert "Thank you." in exported
    assert "template: Acknowledgement" not in exported


def test_a_secret_comes_from_the_environment_and_is_kept_encrypted(applied, nordwind):
    account = account_of(mailbox())
    assert password_of(account, "imap") == "imap secret one"
    assert b"imap secret" not in account.imap_secret


def test_another_password_is_a_change_that_shows_nothing_of_it(applied, nordwind):
    changes = apply(FILE, SECRETS | {"SUPPORT_PASSWORD": "a new secret", "ADA_PASSWORD": "another password"})
    place = "~ organization nordwind / mailboxes / support@nordwind.example"
    assert changes == [
        "~ users / ada@nordwind.example / password: (hidden)",
        f"{place} / account / imap / password: (hidden)",
    ]
    assert password_of(account_of(mailbox()), "imap") == "a new secret"
    assert knows_password(user_by_address("ada@nordwind.example"), "another password")


def test_a_secret_left_out_keeps_the_stored_one(applied, nordwind):
    without = "\n".join(
        line.replace(', password: "${SUPPORT_PASSWORD}"', "")
        for line in FILE.splitlines()
        if "smtp.password" not in line
    )
    assert apply(without, SECRETS) == []
    assert password_of(account_of(mailbox()), "imap") == "imap secret one"


def test_another_server_demands_the_password_anew(applied, nordwind):
    with pytest.raises(FileError, match=r"file.yaml, line 5 .*imap.*Type the password again"):
        apply(change_of("account: {imap: {host: imap.elsewhere.example}}"))
    assert account_of(mailbox()).imap_host == "imap.nordwind.example"


def test_a_locked_setting_cannot_be_overridden(applied, nordwind):
    text = "organizations:\n  - slug: nordwind\n    settings:\n      session.two_factor_required: true\n"
    with pytest.raises(FileError, match=r"line 4 .*locked by the system. Decided by the board."):
        apply(text)
    assert effective("session.two_factor_required").is_locked


def test_a_lock_goes_when_the_file_says_so(applied, nordwind):
    apply("system: {settings: {session.two_factor_required: {locked: false}}}")
    assert not effective("session.two_factor_required").is_locked


def test_what_is_the_same_in_several_places_can_be_written_once(applied, nordwind):
    text = """
        organizations:
          - slug: nordwind
            members:
              - &mia {address: mia@nordwind.example, roles: [Service]}
              - {<<: *mia, address: noor@nordwind.example, name: Noor}
        """
    assert apply(text) == [
        "~ organization nordwind / members / mia@nordwind.example / roles: Member, Service → Service",
        "+ organization nordwind / members / noor@nordwind.example",
    ]


def test_a_person_who_is_known_keeps_their_name(applied, nordwind):
    text = "organizations:\n  - slug: nordwind\n    members: [{address: mia@nordwind.example, name: Maria}]\n"
    assert apply(text) == []
    assert user_by_address("mia@nordwind.example").name == "Mia Brandt"


def test_a_folder_for_spam_is_one_whatever_it_is_called(applied, nordwind):
    apply(change_of("account:", "  folders: [INBOX, {name: Papierkram, use: spam}]"))
    folder = db.session.scalars(folders_of(account_of(mailbox())).where(Folder.name == "Papierkram")).one()
    assert box_of(folder.special_use) == "spam"


def test_ports_and_hosts_may_come_from_the_environment(applied, nordwind):
    imap = 'imap: {host: "${HOST}", port: "${PORT}", password: "${SUPPORT_PASSWORD}"}'
    apply(
        change_of("account:", f"  {imap}", "  folders: [INBOX]"),
        SECRETS | {"HOST": "127.0.0.1", "PORT": "1143"},
    )
    account = account_of(mailbox())
    assert (account.imap_host, account.imap_port) == ("127.0.0.1", 1143)


DOCUMENTED = (
    (Path(__file__).parents[3] / "docs/files.md").read_text().partition("```yaml\n")[2].partition("```")[0]
)
ITS_SECRETS = dict.fromkeys(
    (
        "POSTROOM_SYSTEM_SMTP_PASSWORD",
        "POSTROOM_SYSTEM_OIDC_PROVIDER_CLIENT_SECRET",
        "POSTROOM_SYSTEM_INFO_IMAP_PASSWORD",
        "ADA_PASSWORD",
        "POSTROOM_EXAMPLE_SUPPORT_IMAP_PASSWORD",
    ),
    "a long secret",
)


@pytest.mark.parametrize("state", ["shadow: true", "shadow: false"])
def test_the_file_in_the_documentation_can_be_applied_and_says_once_what_shadow_is(app, theirs, state):
    said = DOCUMENTED.replace("shadow: true", state)
    assert apply(said, ITS_SECRETS)
    assert apply(said, ITS_SECRETS) == []
    silent = "\n".join(line for line in said.splitlines() if "shadow:" not in line)
    assert apply(silent, ITS_SECRETS) == []
