"""``postroom apply`` and ``postroom export``: an installation as a file."""

import os
from pathlib import Path

import click
from sqlalchemy import select

from commands.application import TERMINAL, command_context
from mailboxes import interchange
from mailboxes.archive import archived
from tenants.audit import ARCHIVED, record
from tenants.database import db, enter_organization
from tenants.organizations import Organization


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plan", "is_plan", is_flag=True, help="Only print what would change.")
def apply(file: Path, is_plan: bool) -> None:
    """Make the installation as FILE says: organizations, people, mailboxes, rules, settings.

    What FILE does not mention stays; “state: absent” removes. Passwords are written as ${NAME} and
    taken from the environment. Applying a file twice changes nothing.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is no text in UTF-8. Save it as such.") from None
    with command_context():
        document = interchange.read_document(content, file.name, os.environ)
        act = interchange.plan if is_plan else interchange.apply
        changes = act(document, by=TERMINAL)
    for change in changes:
        click.echo(str(change))
    click.echo(_summary(len(changes), is_plan=is_plan))


@click.command()
@click.option("--organization", "slug", help="Only this organization, by its slug.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the screen."
)
@click.option(
    "--archive",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A ZIP file for everything of the organization: messages, records and configuration.",
)
def export(slug: str | None, output: Path | None, archive: Path | None) -> None:
    """Write the installation as a file for “postroom apply”, without a secret in clear."""
    if archive is not None:
        _archive(slug, archive)
        return
    with command_context():
        content = interchange.export(slug)
    if output is None:
        click.echo(content, nl=False)
    else:
        output.write_text(content, encoding="utf-8")
        click.echo(f"Written to {output}.", err=True)


def _archive(slug: str | None, path: Path) -> None:
    """Everything of one organization, written while it is read, for the eyes of who asked for it alone."""
    if slug is None:
        raise click.UsageError("An archive is of one organization: name it with --organization.")
    with command_context():
        organization = db.session.scalar(select(Organization).where(Organization.slug == slug))
        if organization is None:
            raise click.ClickException(f"There is no organization {slug}.")
        enter_organization(organization.id)
        record(TERMINAL, ARCHIVED, organization.name)
        db.session.commit()
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines(archived())
    click.echo(f"Written to {path}.", err=True)


def _summary(count: int, *, is_plan: bool) -> str:
    if not count:
        return "Nothing differs." if is_plan else "Nothing had to change."
    things = "1 thing" if count == 1 else f"{count} things"
    return f"{things} would change; nothing was changed." if is_plan else f"{things} changed."
