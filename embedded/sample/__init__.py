"""What the demo begins with: two invented organizations, their people, and the mail of their customers.

`organizations.yaml` is applied like any other file; `history.yaml` lies in the mailboxes before they are
connected; `arriving.yaml` is sent by SMTP once everything runs.
"""

from dataclasses import dataclass
from importlib.resources import files

from embedded.mail.people import MailUser

PASSWORD = "look-around-2026"  # noqa: S105  # of the demo's people; it is printed, too
MAIL_PASSWORD = "the-mailboxes-of-the-demo"  # noqa: S105
ORGANIZATIONS_FILE = "organizations.yaml"
SYSTEM_ADDRESS = "postroom@postroom.example"  # whom notices come from
GLOBAL_ADDRESS = "info@alster-group.example"

MAIL_USERS = (
    MailUser(SYSTEM_ADDRESS, MAIL_PASSWORD),
    MailUser(GLOBAL_ADDRESS, MAIL_PASSWORD, ("presse@alster-group.example",)),
    MailUser(
        "support@nordwind.example", MAIL_PASSWORD, ("service@nordwind.example", "hilfe@nordwind.example")
    ),
    MailUser("sales@nordwind.example", MAIL_PASSWORD, ("haendler@nordwind.example",)),
    MailUser("orders@nordwind.example", MAIL_PASSWORD),
    MailUser("support@lumenbooks.example", MAIL_PASSWORD, ("help@lumenbooks.example",)),
    MailUser("sales@lumenbooks.example", MAIL_PASSWORD),
    MailUser("orders@lumenbooks.example", MAIL_PASSWORD),
)


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in to the demo; all of them with `PASSWORD`."""

    address: str
    name: str
    what: str


ACCOUNTS = (
    Account("rosa.keller@postroom.example", "Rosa Keller", "system administrator"),
    Account("jonas.petersen@nordwind.example", "Jonas Petersen", "administrator of Nordwind Outdoor"),
    Account("amelia.wright@lumenbooks.example", "Amelia Wright", "administrator of Lumen Books"),
    Account("lena.hoffmann@nordwind.example", "Lena Hoffmann", "customer service at Nordwind Outdoor"),
    Account("tom.becker@nordwind.example", "Tom Becker", "sales at Nordwind Outdoor"),
    Account("noah.bennett@lumenbooks.example", "Noah Bennett", "bookseller at Lumen Books"),
    Account("priya.nair@lumenbooks.example", "Priya Nair", "works for both"),
)


PEOPLE = tuple(MailUser(account.address, MAIL_PASSWORD, reads_elsewhere=True) for account in ACCOUNTS)


def sample_text(name: str) -> str:
    """One of the files of this package."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def sample_environment(imap_port: int, smtp_port: int) -> dict[str, str]:
    """What ``${NAME}`` stands for in `organizations.yaml`."""
    return {
        "DEMO_PASSWORD": PASSWORD,
        "DEMO_MAIL_PASSWORD": MAIL_PASSWORD,
        "DEMO_IMAP_PORT": str(imap_port),
        "DEMO_SMTP_PORT": str(smtp_port),
    }
