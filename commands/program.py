"""The program and its commands, each imported when it is called."""

from importlib import import_module

import click

from tenants.errors import AppError

VERSION = "0.1.0"

# command → the module that defines it, under a name of its own with underscores
COMMANDS = {
    "demo": "commands.demo",
    "web": "commands.serve",
    "worker": "commands.serve",
    "schedule": "commands.serve",
    "watch": "commands.serve",
    "migrate": "commands.database",
    "create-admin": "commands.database",
    "new-key": "commands.keys",
    "rotate-keys": "commands.keys",
    "sync": "commands.sync",
    "check": "commands.check",
    "apply": "commands.files",
    "export": "commands.files",
    "inspect": "commands.inspect",
}


class Commands(click.Group):
    """Commands that cost nothing until they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, its module imported."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[name]), name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what was foreseen to go wrong is said in one sentence."""
        try:
            return super().invoke(ctx)
        except AppError as error:
            raise click.ClickException(error.message) from None


@click.group(cls=Commands)
@click.version_option(VERSION, message="%(version)s")
def main() -> None:
    """Postroom: system mailboxes for organizations."""
