"""``python -m commands`` is ``postroom``."""

from commands import main

main(prog_name="postroom")
