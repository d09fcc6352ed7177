"""PostgreSQL, Redis and a mail server in one folder: the demo, development and tests."""
