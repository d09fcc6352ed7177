"""The processes of an installation: ``postroom web``, ``worker``, ``schedule`` and ``watch``."""

import click

from commands.application import PATIENCE, command_app, demand_database
from workers.queues import QUEUES

# Each command loads its own door when it is called: what a process does not use costs it no memory.


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8025, show_default=True)
@click.option("--processes", default=1, show_default=True, help="How many processes serve pages.")
def web(host: str, port: int, processes: int) -> None:
    """Serve the pages and their live events."""
    import uvicorn

    from webapp.serving.protocol import PatientProtocol

    demand_database()
    uvicorn.run(
        "webapp.events:asgi_app",
        factory=True,
        http=PatientProtocol,
        host=host,
        port=port,
        workers=processes,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


@click.command()
@click.option(
    "--queue", "names", multiple=True, type=click.Choice(QUEUES), help="Only this queue; repeatable."
)
def worker(names: tuple[str, ...]) -> None:
    """Work off the queues, each by processes of its own."""
    from workers.processes import run_workers

    demand_database()
    run_workers(names or QUEUES)


@click.command()
def schedule() -> None:
    """Ring for what is due, and again for what was missed. Run as many as you like: one leads."""
    from workers.schedule import run_schedule

    run_schedule(command_app(PATIENCE))


@click.command()
@click.option("--shard", default="0/1", show_default=True, help="Which part of the accounts, as NUMBER/OF.")
def watch(shard: str) -> None:
    """Hold connections that hear of new messages at once."""
    number, _, of = shard.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise click.ClickException("Write the shard as NUMBER/OF, such as 0/1 or 2/4.")
    from workers.watch import run_watch

    run_watch(command_app(PATIENCE), int(number), int(of))
