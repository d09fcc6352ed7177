"""An installation as a file: exported, planned, applied."""

from pathlib import Path
from textwrap import dedent

import psycopg
import pytest
import yaml
from sqlalchemy import func, select

from mailboxes import interchange
from mailboxes.connections import password_of
from mailboxes.crm.lead_sources import lead_sources
from mailboxes.interchange import FileError
from mailboxes.routing.rules import RoutingRule
from mailboxes.rules import rules_of
from mailboxes.setup.saving import account_of
from mailboxes.setup.values import grants_of
from mailboxes.system_mailboxes import Mailbox
from mailboxes.tables import METADATA
from tenants.audit import Actor, AuditEntry, SystemAuditEntry
from tenants.configuration.layers import effective, secret_of, value_of
from tenants.configuration.overrides import OrganizationOverride
from tenants.database import db, inside_installation
from tenants.database import inside as inside_of
from tenants.organizations import Organization
from tenants.users import knows_password, user_by_address
from tests.factories import make_organization

TERMINAL = Actor("terminal")
SECRETS = {
    "SUPPORT_PASSWORD": "imap secret one",
    "SALES_PASSWORD": "imap secret two",
    "SALES_SMTP": "smtp secret",
    "SYSTEM_SMTP": "system secret",
    "ADA_PASSWORD": "a long password",
}
FILE = dedent(
    """
    system:
      settings:
        smtp.host: smtp.installation.example
        smtp.password: ${SYSTEM_SMTP}
        sync.interval_seconds: 30
        session.two_factor_required: {value: false, locked: true, reason: Decided by the board.}
    users:
      - address: Root@installation.example
        name: Rosa Root
        system_administrator: true
      - address: ada@nordwind.example
        name: Ada Lindqvist
        password: ${ADA_PASSWORD}
        settings:
          general.language: de
    organizations:
      - slug: nordwind
        name: Nordwind Outdoor
        settings:
          general.languages: [de, en]
          response.window_hours: 12
          record.default_owner: ada@nordwind.example
        roles:
          - name: Service
            permissions: [case.view, case.edit]
        members:
          - {address: mia@nordwind.example, name: Mia Brandt, roles: [Service, Member]}
          - {address: ada@nordwind.example, roles: [Administrator]}
        lead_sources:
          - {key: fair, name: Trade fair, default: true}
        channels:
          - {name: Wholesale, type: sales}
        templates:
          - name: Welcome
            type: html
            texts:
              en: {subject: "Auto: thank you", content: "<p>Dear {{ contact.name }}</p>"}
              de: {subject: "Auto: danke", content: "<p>Guten Tag {{ contact.name }}</p>"}
        mailboxes:
          - address: support@nordwind.example
            label: Support
            aliases: [help@nordwind.example]
            account:
              imap:
                {enabled: true, host: imap.nordwind.example, user: support, password: "${SUPPORT_PASSWORD}"}
              folders: [Sent, {name: Ärchiv/2025, use: archive}, {name: INBOX, use: inbox}]
              history: 30
            processing:
              action: case
              settings: {owner: ada@nordwind.example, priority: high, status: open, tags: [web, shop]}
              automation_from: 2026-01-02T03:04:05Z
            access:
              - {role: Service, level: reply}
              - {person: ada@nordwind.example, level: read}
            rules:
              - name: Invoices
                conditions:
                  - {field: subject, operator: contains, value: invoice}
                template: Acknowledgement
              - name: Everybody else
                active: false
                response:
                  texts:
                    en: {subject: "Auto: hello", content: Your message has arrived.}
          - address: sales@nordwind.example
            label: Sales
            account:
              imap: {enabled: true, host: imap.nordwind.example, user: sales, password: "${SALES_PASSWORD}"}
              smtp: {enabled: true, host: smtp.nordwind.example, user: out, password: "${SALES_SMTP}"}
              folders: [INBOX]
            processing: {action: lead, settings: {owner: ada@nordwind.example, source: fair}}
    """
)


def document(text=FILE, environment=SECRETS):
    return interchange.read_document(dedent(text), "file.yaml", environment)


def apply(text=FILE, environment=SECRETS):
    return [str(change) for change in interchange.apply(document(text, environment), by=TERMINAL)]


def plan(text=FILE, environment=SECRETS):
    return [str(change) for change in interchange.plan(document(text, environment), by=TERMINAL)]


def change_of(*lines):
    """A file about the mailbox support@ of the organization."""
    body = "\n".join(f"              {line}" for line in lines)
    return (
        "    organizations:\n      - slug: nordwind\n        mailboxes:\n"
        f"            - address: support@nordwind.example\n{body}\n"
    )


@pytest.fixture
def beginning(once):
    """A neighbour, and beside it the file that most tests change."""
    return once("the file is applied", lambda: (make_organization("Neighbour"), apply()))


@pytest.fixture
def applied(beginning):
    return beginning[1]


@pytest.fixture
def theirs(request, app):
    """The neighbour, who was there before the file."""
    if "applied" in request.fixturenames:
        return request.getfixturevalue("beginning")[0]
    return make_organization("Neighbour")


@pytest.fixture
def nordwind(applied):
    found = db.session.scalars(select(Organization).where(Organization.slug == "nordwind")).one()
    with inside_of(found.id):
        yield found


def mailbox(address="support@nordwind.example"):
    return db.session.scalars(select(Mailbox).where(Mailbox.address == address)).one()


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


def test_an_export_applied_to_an_empty_database_exports_the_same(app, theirs, database_urls):
    apply()
    exported = interchange.export("nordwind")
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export("nordwind") == exported


def test_a_whole_installation_comes_back_from_its_export(app, database_urls):
    apply()
    exported = interchange.export()
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export() == exported
    with app.app_context():
        assert secret_of("smtp.password") == "system secret"


OFFERS = """
    system:
      lead_sources:
        - {key: phone, name: Telephone}
        - {key: email, default: false}
        - {key: fair, name: Trade fair, default: true}
        - {key: web_form, hidden: true}
        - {key: referral, state: absent}
      templates:
        - {key: case_received, state: absent}
        - {key: acknowledgement, name: Receipt, texts: {fr: null, de: {subject: Danke, content: Danke.}}}
        - key: closing
          name: Closing
          type: html
          used_for: [case]
          texts: {en: {subject: Closed, content: "<p>It is closed.</p>"}}
    organizations:
      - slug: nordwind
        lead_sources:
          - {key: walk_in, name: Walk-in}
          - {key: fair, name: Messe, hidden: false}
          - {key: phone, hidden: true}
          - {key: email, default: true}
          - {key: flyer, name: Flyer, merged_into: walk_in}
          - {key: demand_generation, merged_into: email}
        templates:
          - {system: acknowledgement, name: Acknowledgement, texts: {de: {content: Wir danken.}}}
          - {system: closing, hidden: true}
          - {name: Receipt, texts: {en: {content: Ours.}}}
          - {name: Case received, texts: {en: {content: Also ours.}}, hidden: true}
    """


def test_what_the_system_offers_and_organizations_override_comes_back_from_its_export(
    app, theirs, database_urls
):
    apply()
    planned = plan(OFFERS)
    assert "+ system / lead_sources / fair" in planned
    assert "- system / templates / case_received" in planned
    assert "+ organization nordwind / lead_sources / phone / hidden: yes" in planned
    assert interchange.export() == interchange.export()
    assert apply(OFFERS) == planned
    assert apply(OFFERS) == []
    exported = interchange.export()
    assert {"key": "referral", "state": "absent"} in yaml.safe_load(exported)["system"]["lead_sources"]
    empty(database_urls)
    apply(exported, secrets_of_an_export())
    assert interchange.export() == exported
    assert apply(exported, secrets_of_an_export()) == []


def test_the_neighbour_follows_the_systems_part_of_a_file(app, inside, theirs):
    apply()
    apply(OFFERS)
    with inside(theirs):
        sources = {one.key: one for one in db.session.scalars(lead_sources())}
    assert list(sources)[:3] == ["phone", "email", "fair"]
    assert sources["phone"].name == "Telephone"
    assert [key for key, one in sources.items() if one.is_default] == ["fair"]


def test_null_follows_the_system_again(applied, nordwind):
    apply(OFFERS)
    text = """
        organizations:
          - slug: nordwind
            lead_sources:
              - {key: fair, name: null, hidden: null}
              - {key: email, default: null}
              - {key: demand_generation, merged_into: null}
            templates:
              - {system: acknowledgement, texts: null, name: Confirmation}
        """
    changes = apply(text)
    assert "- organization nordwind / lead_sources / fair / name: Messe" in changes
    assert "- organization nordwind / lead_sources / demand_generation / merged_into: email" in changes
    assert apply(text) == []
    exported = interchange.export("nordwind")
    assert "Wir danken" not in exported
    assert "Messe" not in exported


def test_sources_and_templates_may_change_names_among_themselves(applied, nordwind):
    apply(OFFERS)
    text = """
        system:
          lead_sources: [{key: phone, name: Email}, {key: email, name: Telephone}]
        organizations:
          - slug: nordwind
            lead_sources: [{key: walk_in, name: Messe}, {key: fair, name: Walk-in}]
        """
    assert apply(text)
    assert apply(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "system:\n  lead_sources: [{key: email, state: absent}]",
            r"line 2 .*default source cannot be removed",
        ),
        ("system:\n  lead_sources:\n    - {key: Odd Key, name: X}", r"line 3 .*lower-case letters"),
        ("system:\n  lead_sources:\n    - {key: phone, name: Email}", r"line 3 .*named “Email” already"),
        ("system:\n  templates: [{key: x, name: X}]", r"Write the content in at least one language"),
        (
            "system:\n  templates: [{key: x, name: X, texts: {en: {content: '{{ a.b }}'}}}]",
            r"there is no variable a\.b",
        ),
        ("system: {templates: [{key: x, nam: X}]}", r"nam is not known here. Did you mean name"),
        (
            "organizations:\n  - slug: nordwind\n    templates: [{system: nothing}]",
            r"offers no template nothing",
        ),
        (
            "organizations:\n  - slug: nordwind\n    templates: [{type: html}]",
            r"“name: …” or “system: …” is missing",
        ),
        (
            "organizations:\n  - slug: nordwind\n    lead_sources: [{key: fair, merged_into: nowhere}]",
            r"There is no lead source nowhere here",
        ),
        (
            "organizations:\n  - slug: nordwind\n    lead_sources: [{key: phone, state: absent}]",
            r"Hide it instead",
        ),
    ],
)
def test_an_offer_that_cannot_be_made_is_told_with_its_line(applied, nordwind, text, message):
    before = interchange.export()
    with pytest.raises(FileError, match=message):
        apply(text)
    assert interchange.export() == before


def secrets_of_an_export():
    return {
        "POSTROOM_NORDWIND_SUPPORT_IMAP_PASSWORD": "imap secret one",
        "POSTROOM_NORDWIND_SALES_IMAP_PASSWORD": "imap secret two",
        "POSTROOM_NORDWIND_SALES_SMTP_PASSWORD": "smtp secret",
        "POSTROOM_SYSTEM_SMTP_PASSWORD": "system secret",
    }


def empty(database_urls):
    db.session.remove()
    url = database_urls.owner.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(METADATA.tables)}")


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


def test_a_renamed_template_of_the_system_stays_the_systems(applied, nordwind):
    text = """
        organizations:
          - slug: nordwind
            templates:
              - {name: Eingangsbestätigung, system: acknowledgement}
        """
    assert apply(text) == [
        "+ organization nordwind / templates / system acknowledgement / name: Eingangsbestätigung",
        "~ organization nordwind / mailboxes / support@nordwind.example / rules / Invoices / template:"
        " Acknowledgement → Eingangsbestätigung",
    ]
    assert apply(text) == []


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


def test_a_mistake_anywhere_keeps_everything_as_it_was(app, theirs):
    wrong = FILE.replace("template: Acknowledgement", "template: Nowhere")
    with pytest.raises(FileError, match=r"There is no template Nowhere here"):
        apply(wrong)
    assert user_by_address("ada@nordwind.example") is None
    assert effective("sync.interval_seconds").value == 60
    assert db.session.scalars(select(Organization.slug).where(Organization.slug == "nordwind")).all() == []


def test_the_neighbour_is_left_alone(app, theirs, inside):
    before = neighbour(theirs, inside)
    apply()
    apply(change_of("state: absent"))
    assert neighbour(theirs, inside) == before


def neighbour(theirs, inside):
    slug = db.session.scalars(select(Organization.slug).where(Organization.id == theirs.id)).one()
    with inside(theirs):
        counts = [
            db.session.scalar(select(func.count()).select_from(table))
            for table in (Mailbox, AuditEntry, OrganizationOverride)
        ]
    return interchange.export(slug), counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("organizations: [\n", r"file.yaml, line 2: This is no valid YAML"),
        ("", r"line 1: The file is empty"),
        ("a\x00b", r"This is no YAML text"),
        ("- one", r"line 1: Write “key: value” lines here"),
        ("organisations: []", r"organisations is not known here. Did you mean organizations\?"),
        ("organizations:\n  - name: X", r"line 2 .*“slug: …” is missing here"),
        ("organizations:\n  - slug: x", r"line 2 .*Write “name: …” for it"),
        ("organizations:\n  - {slug: Big!, name: X}", r"line 2 .*lower-case letters"),
        ("organizations:\n  - {slug: x}\n  - {slug: x}", r"line 3 .*x stands here twice"),
        ("users:\n  - address: nobody", r"line 2 .*nobody is no e-mail address"),
        ("users:\n  - address: a@b.example\n    enabled: perhaps", r"line 3 .*Write true or false"),
        ("users:\n  - address: a@b.example\n    password: secret", r"line 3 .*as \$\{NAME\}"),
        ("users:\n  - address: a@b.example\n    password: ${NOT_SET}", r"line 3 .*NOT_SET is not set"),
        ("users:\n  - address: a@b.example\n    password: ${SHORT}", r"line 3 .*at least 10 characters"),
        ("users:\n  - address: a@b.example\n    name: 12", r"line 3 .*Write a text here"),
        ("users: {a: b}", r"line 1 .*Write a list here"),
        ("system: {settings: {sync.interval_seconds: soon}}", r"whole number of seconds"),
        ("system: {settings: {sync.interval_seconds: 1}}", r"from 10 to 86,400"),
        ("system: {settings: {sync.intervall: 1}}", r"Did you mean sync.interval_seconds"),
        ("system: {settings: {sync.enabled: 2}}", r"Write true or false"),
        ("system: {settings: {sync.enabled: {value: true, locked: true}}}", r"Write “reason: …”"),
        ("system: {settings: {record.default_owner: a@b.example}}", r"not known here"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_with_its_line(app, text, message):
    with pytest.raises(FileError, match=message):
        apply(text, {"SHORT": "short"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["label: Sales"], r"line 5 .*Another mailbox is called Sales"),
        (["account: {folders: []}"], r"line 5 .*at least one folder"),
        (["account:", "  imap: {port: 123456}"], r"line 6 .*port from 1 to 65535"),
        (["account:", "  imap: {port: high}"], r"line 6 .*Write a whole number"),
        (["account: {imap: {encryption: ssl}}"], r"Write one of: tls, starttls, none"),
        (["processing: {action: task}"], r"task is not possible"),
        (["processing: {action: case, settings: {source: fair}}"], r"source is not known here"),
        (["processing:", "  settings: {owner: no@where.example}"], r"no@where.example is no member here"),
        (["processing: {settings: {priority: urgent}}"], r"Choose one from the list"),
        (["processing: {automation_from: yesterday}"], r"Write a moment"),
        (["access: [{role: Nobody}]"], r"There is no role Nobody here"),
        (["access: [{level: read}]"], r"Write either “role: …” or “person: …”"),
        (
            ["rules:", "  - {name: A, conditions: [{field: weight, operator: contains}]}"],
            r"weight is no field",
        ),
        (["rules:", "  - {name: A}"], r"line 6 .*Choose a template, or write a response"),
        (["rules:", "  - {name: A, template: X, response: {}}"], r"Write either “template: …”"),
        (
            ["rules:", "  - {name: A, response: {texts: {en: {content: '{{ nothing.here }}'}}}}"],
            r"line 6 .*nothing",
        ),
    ],
)
def test_what_a_page_would_refuse_is_refused_with_its_line(applied, nordwind, lines, message):
    with pytest.raises(FileError, match=message):
        apply(change_of(*lines))


GLOBAL = """
    system:
      mailboxes:
        - address: info@installation.example
          label: Info
          delivery: routed
          serves: [nordwind]
          home: nordwind
          account:
            imap:
              {enabled: true, host: imap.installation.example, user: i, password: "${SUPPORT_PASSWORD}"}
            folders: [INBOX]
          processing: {action: case, settings: {status: open, priority: normal, tags: [web]}}
          lead_source: phone
          automation_from: 2026-01-02T03:04:05Z
          access: [{role: member, level: read}]
          rules:
            - name: Night
              template: acknowledgement
              conditions: [{field: subject, operator: contains, value: x}]
            - {name: All, template: acknowledgement, active: false}
    organizations:
      - slug: nordwind
        global_mailboxes:
          - address: info@installation.example
            label: Auskunft
            owner: ada@nordwind.example
            signature: ""
            access: [{role: Service, level: reply}, {person: ada@nordwind.example, level: read}]
            rules: own
            own_rules: [{name: Ours, template: Acknowledgement}]
"""
SYSTEM = "system / mailboxes / info@installation.example"
HERE = "organization nordwind / global_mailboxes / info@installation.example"


def test_a_global_mailbox_is_planned_made_changed_and_removed(applied, nordwind):
    assert plan(GLOBAL) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert db.session.scalars(select(Mailbox).where(Mailbox.address.startswith("info"))).all() == []
    assert sorted(apply(GLOBAL)) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert apply(GLOBAL) == []
    served = mailbox("info@installation.example")
    assert (served.label, served.rules_from, served.action) == ("Auskunft", "own", "case")
    assert [rule.name for rule in db.session.scalars(rules_of(served))] == ["Ours"]
    moved = GLOBAL.replace("imap.installation.example", "imap2.installation.example")
    assert (
        plan(moved)
        == apply(moved)
        == [f"~ {SYSTEM} / account / imap / host: imap.installation.example → imap2.installation.example"]
    )
    assert apply(moved) == []
    renamed = moved.replace("label: Info", "label: Information").replace("label: Auskunft", "label: null")
    assert set(plan(renamed)) == {f"~ {SYSTEM} / label: Info → Information", f"- {HERE} / label: Auskunft"}
    apply(renamed)
    assert apply(renamed) == []
    assert the_label() == "Information"
    gone = "system: {mailboxes: [{address: info@installation.example, state: absent}]}"
    assert plan(gone) == [f"- {SYSTEM}"]
    assert apply(gone) == [f"- {SYSTEM}"]
    assert the_label() is None


def test_shadow_and_locks_are_those_of_the_file(applied, nordwind):
    """What is said otherwise of what is locked is exported and waits, be it said before or after."""
    apply(GLOBAL)
    locks = "locks: [{field: access, reason: Everybody reads it}, {field: lead_source, reason: One list}]"
    said = GLOBAL.replace("delivery: routed", f"shadow: true\n          {locks}\n          delivery: routed")
    assert plan(said) == apply(said)
    assert apply(said) == []
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert served.is_shadow
    assert [(one.level, one.membership_id) for one in grants_of(served)] == [("read", None)]
    whole = interchange.export()
    assert "role: Service" in whole
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    assert apply(whole, secrets) == []
    otherwise = said.replace("label: Auskunft", "label: Auskunft\n            lead_source: email")
    assert plan(otherwise) == apply(otherwise) == [f"+ {HERE} / lead_source: email"]
    assert apply(otherwise) == []
    db.session.refresh(served)
    assert served.action_settings["source"] == "phone"
    free = said.replace(locks, "locks: [{field: access, state: absent}, {field: lead_source, state: absent}]")
    free = free.replace("shadow: true", "shadow: false")
    assert plan(free) == apply(free)
    db.session.refresh(served)
    assert not served.is_shadow
    assert sorted(one.level for one in grants_of(served)) == ["read", "reply"]
    assert served.action_settings["source"] == "email"


def test_what_waits_for_a_lock_comes_back_from_an_export(app, theirs, database_urls):
    apply()
    locks = "locks: [{field: access, reason: Everybody}, {field: label, reason: One name}]"
    said = GLOBAL.replace("delivery: routed", f"{locks}\n          delivery: routed")
    apply(said)
    exported = interchange.export()
    assert "label: Auskunft" in exported
    empty(database_urls)
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    apply(exported, secrets)
    assert apply(exported, secrets) == []
    assert interchange.export() == exported
    with inside_of(db.session.scalar(select(Organization.id).where(Organization.slug == "nordwind"))):
        assert the_label() == "Info"
        served = mailbox("info@installation.example")
        assert [(one.level, one.membership_id) for one in grants_of(served)] == [("read", None)]


def test_a_file_that_takes_a_lock_away_may_say_that_otherwise_at_once(applied, nordwind):
    lock = "locks: [{field: lead_source, reason: One list}]"
    locked = GLOBAL.replace("delivery: routed", f"{lock}\n          delivery: routed")
    apply(locked)
    free = locked.replace("reason: One list", "state: absent")
    free = free.replace("label: Auskunft", "label: Auskunft\n            lead_source: email")
    assert sorted(plan(free)) == sorted(apply(free))
    assert apply(free) == []
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert served.action_settings["source"] == "email"


@pytest.mark.parametrize("about", ["system", "organization"])
def test_out_of_shadow_is_at_rest(applied, nordwind, about):
    apply(GLOBAL)
    said = GLOBAL.replace("delivery: routed", "shadow: false\n          delivery: routed")
    text = said if about == "system" else change_of("shadow: false")

    def records():
        with inside_installation("a test"):
            system = db.session.scalar(select(func.count()).select_from(SystemAuditEntry))
        return system, db.session.scalar(select(func.count()).select_from(AuditEntry))

    before = records()
    assert apply(text) == []
    assert records() == before


def the_label():
    query = select(Mailbox.label).where(Mailbox.address == "info@installation.example")
    return db.session.scalar(query)


def test_whom_a_global_mailbox_serves_is_what_the_file_says(applied, nordwind, theirs, inside):
    with inside(theirs):
        other = db.session.scalars(select(Organization.slug).where(Organization.id == theirs.id)).one()
    apply(GLOBAL)
    for serves, expected in ((f"[{other}]", 1), ("all", 1), ("[nordwind]", 0)):
        apply(GLOBAL.replace("serves: [nordwind]", f"serves: {serves}"))
        with inside(theirs):
            query = select(Mailbox.label).where(Mailbox.is_served)
            assert len(list(db.session.scalars(query))) == expected
        assert the_label() == "Auskunft"


ROUTED = GLOBAL.replace(
    "          access: [{role: member",
    """          routing:
            - {field: recipient, value: A@Nord.example, organization: nordwind}
            - {field: tag, value: +nord, organization: nordwind}
          access: [{role: member""",
)


def conditions_of_routing():
    with inside_installation("a test") as session:
        found = session.execute(select(RoutingRule.field, RoutingRule.value).order_by(RoutingRule.position))
        return [tuple(row) for row in found]


def test_routing_rules_are_those_of_the_file_in_its_order(applied, nordwind, theirs):
    assert plan(ROUTED) == [f"+ {HERE}", f"+ {SYSTEM}"]
    assert conditions_of_routing() == []
    apply(ROUTED)
    assert conditions_of_routing() == [("recipient", "a@nord.example"), ("tag", "nord")]
    assert apply(ROUTED) == []
    whole = interchange.export()
    secrets = secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}
    assert apply(whole, secrets) == []
    turned = ROUTED.replace(
        "field: recipient, value: A@Nord.example", "field: sender_domain, value: x.example"
    )
    assert len(apply(turned)) == 1
    assert conditions_of_routing() == [("sender_domain", "x.example"), ("tag", "nord")]
    assert apply(GLOBAL) == []  # what a file does not mention stays
    assert len(conditions_of_routing()) == 2


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "value: A@Nord.example, organization: nordwind",
            "value: a@b.example, organization: else",
            "serve else",
        ),
        ("field: tag", "field: subject", "subject is not possible"),
        ("value: A@Nord.example", "value: nobody", "address"),
        ("{field: tag, value: +nord", "{field: recipient, value: a@nord.example", "Keep one of them"),
    ],
)
def test_a_routing_rule_that_a_page_would_refuse_is_refused(applied, nordwind, wrong, right, message):
    with pytest.raises(FileError, match=message):
        apply(ROUTED.replace(wrong, right))
    assert conditions_of_routing() == []


def test_what_is_otherwise_here_follows_again_when_the_file_takes_it_back(applied, nordwind):
    apply(GLOBAL)
    text = """
        organizations:
          - slug: nordwind
            global_mailboxes: [{address: info@installation.example, state: absent}]
    """
    assert plan(text) == apply(text)
    served = mailbox("info@installation.example")
    db.session.refresh(served)
    assert (served.label, served.overrides) == ("Info", {})


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("serves: [nordwind]", "serves: [nowhere]", "There is no organization nowhere"),
        ("home: nordwind", "home: nowhere", "There is no organization nowhere"),
        ("{role: member", "{role: Service", "Service is not possible"),
        ("template: acknowledgement", "template: nothing", "Choose a template of the system"),
        ("owner: ada@nordwind.example", "owner: root@installation.example", "root@installation.example"),
        ("tags: [web]}", "tags: [web], owner: ada@nordwind.example}", "owner is not known here"),
        ("label: Auskunft", "label: Sales", "Another mailbox is called Sales"),
    ],
)
def test_what_cannot_be_of_a_global_mailbox_is_refused_and_nothing_is_kept(
    applied, nordwind, wrong, right, message
):
    with pytest.raises(FileError, match=message):
        apply(GLOBAL.replace(wrong, right))
    assert the_label() is None


def test_only_the_whole_export_holds_what_is_the_systems(applied, nordwind):
    apply(GLOBAL)
    own = interchange.export("nordwind")
    assert "imap.installation.example" not in own
    assert "label: Auskunft" in own
    whole = interchange.export()
    assert "imap.installation.example" in whole
    assert "${POSTROOM_SYSTEM_INFO_IMAP_PASSWORD}" in whole
    assert (
        apply(whole, secrets_of_an_export() | {"POSTROOM_SYSTEM_INFO_IMAP_PASSWORD": "imap secret one"}) == []
    )


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


def test_the_file_in_the_documentation_can_be_applied(app, theirs):
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    names = (
        "POSTROOM_SYSTEM_SMTP_PASSWORD",
        "POSTROOM_SYSTEM_INFO_IMAP_PASSWORD",
        "ADA_PASSWORD",
        "POSTROOM_EXAMPLE_SUPPORT_IMAP_PASSWORD",
    )
    environment = dict.fromkeys(names, "a long secret")
    assert apply(example, environment)
    assert apply(example, environment) == []


def test_a_person_who_is_known_keeps_their_name(applied, nordwind):
    text = "organizations:\n  - slug: nordwind\n    members: [{address: mia@nordwind.example, name: Maria}]\n"
    assert apply(text) == []
    assert user_by_address("mia@nordwind.example").name == "Mia Brandt"


def test_the_last_administrator_cannot_be_taken_away(applied, nordwind):
    text = """
        organizations:
          - slug: nordwind
            members: [{address: ada@nordwind.example, roles: [Member]}]
        """
    with pytest.raises(FileError, match=r"line 4 .*Somebody must stay who can configure"):
        apply(text)


def test_ports_and_hosts_may_come_from_the_environment(applied, nordwind):
    imap = 'imap: {host: "${HOST}", port: "${PORT}", password: "${SUPPORT_PASSWORD}"}'
    apply(
        change_of("account:", f"  {imap}", "  folders: [INBOX]"),
        SECRETS | {"HOST": "127.0.0.1", "PORT": "1143"},
    )
    account = account_of(mailbox())
    assert (account.imap_host, account.imap_port) == ("127.0.0.1", 1143)


@pytest.mark.parametrize("state", ["shadow: true", "shadow: false"])
def test_shadow_is_said_once_and_kept_when_a_file_says_nothing(app, theirs, state):
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    names = (
        "POSTROOM_SYSTEM_SMTP_PASSWORD",
        "POSTROOM_SYSTEM_INFO_IMAP_PASSWORD",
        "ADA_PASSWORD",
        "POSTROOM_EXAMPLE_SUPPORT_IMAP_PASSWORD",
    )
    environment = dict.fromkeys(names, "a long secret")
    said = example.replace("shadow: true", state)
    assert apply(said, environment)
    assert apply(said, environment) == []
    silent = "\n".join(line for line in said.splitlines() if "shadow:" not in line)
    assert apply(silent, environment) == []
