"""``postroom new-key`` and ``postroom rotate-keys``."""

import base64
import os
import secrets as random

import click

from commands.application import TERMINAL, command_context
from mailboxes.rotation import reencrypt_all
from tenants.audit import record_for_system
from tenants.database import db


@click.command("new-key")
def new_key() -> None:
    """Print a new secret key and a new encryption key, for the environment."""
    click.echo(f"POSTROOM_SECRET_KEY={random.token_urlsafe(48)}")
    click.echo(f"POSTROOM_ENCRYPTION_KEYS=1:{base64.b64encode(os.urandom(32)).decode()}")


@click.command("rotate-keys")
def rotate_keys() -> None:
    """Encrypt every stored password anew with the last key of POSTROOM_ENCRYPTION_KEYS.

    Add the new key at the end of the list, restart, run this, then take the old key out.
    """
    with command_context():
        count = reencrypt_all()
        record_for_system(TERMINAL, "keys.rotated", f"{count} stored secrets")
        db.session.commit()
        click.echo(f"{count} stored secrets are now encrypted with the newest key.")
