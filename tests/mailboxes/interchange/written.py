"""A file as an administrator writes it, and what is done with it."""

from textwrap import dedent

import psycopg
from sqlalchemy import select

from mailboxes import interchange
from mailboxes.system_mailboxes import Mailbox
from mailboxes.tables import METADATA
from tenants.audit import Actor
from tenants.database import db

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
        webhooks:
          - name: Warehouse
            url: https://warehouse.nordwind.example/hooks
            events: [case.made, case.changed]
            mailboxes: [support@nordwind.example]
        tags: [{name: urgent, colour: red}, {name: wholesale}]
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


def plan(text=FILE):
    return [str(change) for change in interchange.plan(document(text, SECRETS), by=TERMINAL)]


def change_of(*lines):
    """A file about the mailbox support@ of the organization."""
    body = "\n".join(f"              {line}" for line in lines)
    return (
        "    organizations:\n      - slug: nordwind\n        mailboxes:\n"
        f"            - address: support@nordwind.example\n{body}\n"
    )


def mailbox(address="support@nordwind.example"):
    return db.session.scalars(select(Mailbox).where(Mailbox.address == address)).one()


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
