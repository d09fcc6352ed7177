"""``postroom demo``: Postroom with everything it needs, on this machine."""

from pathlib import Path

import click

from embedded.folders import default_data_folder


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Where its data is kept.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Where the pages are. [default: 8025, or the next]"
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--reset", is_flag=True, help="Delete the data of earlier runs first.")
@click.option("--development", is_flag=True, help="Load changed code anew; its data is apart.")
def demo(data: Path | None, port: int | None, no_browser: bool, reset: bool, development: bool) -> None:
    """See Postroom at work: two organizations, real mail, one URL. Ctrl-C ends everything."""
    from embedded.demo import Wishes, run_demo  # heavy, and not needed to explain the options

    folder = data or default_data_folder()
    if data is None and development:
        folder = folder.with_name(folder.name.replace("demo", "development"))
    wishes = Wishes(
        folder=folder.absolute(),
        port=port,
        opens_browser=not no_browser,
        resets=reset,
        develops=development,
    )
    run_demo(wishes, click.echo)
