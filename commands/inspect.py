"""``postroom inspect``: what Postroom reads in a message, as JSON."""

import sys
from pathlib import Path

import click

from mailboxes.inspecting import inspect_files, line_of


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--extract", type=click.Path(file_okay=False, path_type=Path), help="Store each attachment here."
)
def inspect(files: tuple[Path, ...], extract: Path | None) -> None:
    """Print one JSON object for each of FILES, in order, however broken it is."""
    if extract is not None:
        extract.mkdir(parents=True, exist_ok=True)
    for seen in inspect_files(files, extract):
        sys.stdout.buffer.write(line_of(seen))
    sys.stdout.flush()
