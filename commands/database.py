"""``postroom migrate`` and ``postroom create-admin``."""

import os

import click
from alembic import command
from sqlalchemy.exc import OperationalError

from commands.application import TERMINAL, command_context
from tenants.audit import record_for_system
from tenants.database import db
from tenants.database.schema import migration_config, newest
from tenants.users import User, password_links, user_by_address


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="The revision to reach.")
@click.option("--back", is_flag=True, help="Go back to that revision instead of forward.")
def migrate(revision: str, back: bool) -> None:
    """Bring the database's tables to this version."""
    url = os.environ.get("POSTROOM_OWNER_DATABASE_URL", "")
    if not url:
        raise click.ClickException(
            "POSTROOM_OWNER_DATABASE_URL is not set. Migrations run as the owner of the database."
        )
    try:
        (command.downgrade if back else command.upgrade)(migration_config(url), revision)
    except OperationalError as error:
        raise click.ClickException(f"The database cannot be reached as its owner: {error.orig}") from None
    click.echo(f"The database is at {newest() if revision == 'head' else revision}.")


@click.command("create-admin")
@click.argument("address")
@click.option("--name", default="", help="What the person is called.")
@click.password_option(envvar="POSTROOM_ADMIN_PASSWORD", help="Asked for when left out.")
def create_admin(address: str, name: str, password: str) -> None:
    """Make the person with ADDRESS a system administrator (new, or already there)."""
    with command_context():
        user = user_by_address(address)
        if user is None:
            user = User(address=address.strip().lower(), name=name)
            db.session.add(user)
        user.is_system_admin = True
        user.is_enabled = True
        user.name = name or user.name
        db.session.flush()  # the id that a password belongs to
        password_links.choose(user, password)
        record_for_system(TERMINAL, "user.made_system_admin", user.address)
        db.session.commit()
        click.echo(f"{user.address} may now sign in as a system administrator.")
