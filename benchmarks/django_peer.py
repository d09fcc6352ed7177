"""django-mailbox takes over a mailbox into PostgreSQL; run by a Python that has it (``--django``).

``python benchmarks/django_peer.py URI DATABASE_URL FOLDER`` prints the seconds and how many messages it has
then. What it has read it deletes on the server.
"""

import sys
import time

import django
from django.conf import settings
from django.core.management import call_command
from psycopg.conninfo import conninfo_to_dict

INSTALLED = ("contenttypes", "auth", "messages", "sessions", "admin")


def main(uri: str, database_url: str, folder: str) -> None:
    """Make the tables, fetch once, and count."""
    database = conninfo_to_dict(database_url)
    settings.configure(
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in INSTALLED), "django_mailbox"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": database["dbname"],
                "USER": database["user"],
                "HOST": database["host"],
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MEDIA_ROOT=folder,
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django_mailbox.models import Mailbox, Message  # after the settings

    mailbox = Mailbox.objects.create(name="first sync", uri=uri)
    began = time.perf_counter()
    for _ in mailbox.get_new_mail():
        pass
    print(time.perf_counter() - began, Message.objects.count())


if __name__ == "__main__":
    main(*sys.argv[1:])
