"""A door: the terminal. ``postroom COMMAND``; each command is a few lines."""

from commands.program import main

__all__ = ["main"]
