"""A mistake is told with its line, and changes nothing anywhere."""

import pytest
from sqlalchemy import func, select

from mailboxes import interchange
from mailboxes.interchange import FileError
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import AuditEntry
from tenants.configuration.layers import effective
from tenants.configuration.overrides import OrganizationOverride
from tenants.database import db
from tenants.organizations import Organization
from tenants.users import user_by_address
from tests.mailboxes.interchange.written import FILE, apply, change_of


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
        ("users:\n  - address: nobody", r"line 2 .*nobody is no email address"),
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


def test_the_last_administrator_cannot_be_taken_away(applied, nordwind):
    text = """
        organizations:
          - slug: nordwind
            members: [{address: ada@nordwind.example, roles: [Member]}]
        """
    with pytest.raises(FileError, match=r"line 4 .*Somebody must stay who can configure"):
        apply(text)
