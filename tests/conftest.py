"""Fixtures of every test, by plug-in."""

pytest_plugins = ["tests.services", "tests.mail_servers", "tests.world"]
