"""``postroom sync``: one pass over a mailbox in the foreground."""

import click
from sqlalchemy import or_, select

from commands.application import command_context
from mailboxes.sync.foreground import sync_now
from mailboxes.system_mailboxes import Mailbox
from tenants.database import db, inside
from tenants.organizations import Organization
from workers import queues


@click.command()
@click.argument("mailbox", metavar="ORGANIZATION/MAILBOX")
def sync(mailbox: str) -> None:
    """Fetch what is new in a mailbox, named by its organization's slug and its label or address."""
    slug, _, name = mailbox.partition("/")
    with command_context():
        organization = db.session.scalar(select(Organization).where(Organization.slug == slug))
        if organization is None:
            raise click.ClickException(f"There is no organization {slug}.")
        with inside(organization.id):
            found = db.session.scalar(
                select(Mailbox).where(or_(Mailbox.label == name, Mailbox.address == name.lower()))
            )
            if found is None:
                raise click.ClickException(f"{organization.name} has no mailbox {name}.")
            account_id = found.account_id
        with click.progressbar(length=1, label=f"{organization.name} / {name}") as bar:

            def progress(done: int, total: int) -> None:
                bar.length = max(total, 1)
                bar.update(done - bar.pos)

            report = sync_now(account_id, progress)
        queues.ring_action(organization.id)
    click.echo(str(report))
