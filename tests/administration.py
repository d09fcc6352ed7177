"""The pages of the administration, for tests and measurements that go through them all.

A new list, picker or configuration page belongs here: then the number of its queries is known not to
grow, and ``./dev bench administration`` measures it among 2,000 organizations.
"""

from dataclasses import dataclass

from mailboxes.system_mailboxes import Mailbox
from tests.factories import World

SYSTEM_ADMIN, ADMIN, MEMBER = "system administrator", "administrator", "member"


@dataclass(frozen=True)
class Place:
    """What addresses of pages need to know."""

    world: World
    mailbox: Mailbox

    def address(self, path: str) -> str:
        """A path with the ids of this place."""
        return path.format(
            organization=self.world.id,
            mailbox=self.mailbox.id,
            member=self.world.member.id,
            user=self.world.member.user_id,
        )


# Who looks, and at what.
PAGES: tuple[tuple[str, str], ...] = (
    (SYSTEM_ADMIN, "/system/configuration/email"),
    (SYSTEM_ADMIN, "/system/configuration/email?in=all"),
    (SYSTEM_ADMIN, "/system/configuration/email?q=mail"),
    (SYSTEM_ADMIN, "/system/configuration/sync.interval_seconds/history"),
    (SYSTEM_ADMIN, "/system/configuration/sync.interval_seconds/organizations"),
    (SYSTEM_ADMIN, "/system/configuration/sync.interval_seconds/organizations?side=override"),
    (SYSTEM_ADMIN, "/system/organizations/"),
    (SYSTEM_ADMIN, "/system/users/"),
    (SYSTEM_ADMIN, "/system/users/{user}"),
    (SYSTEM_ADMIN, "/system/mailboxes/"),
    (SYSTEM_ADMIN, "/system/mailboxes/new"),
    (SYSTEM_ADMIN, "/system/quarantine/"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/configuration/email"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/configuration/email?in=all"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/configuration/mail.signature/history"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/mailboxes/"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/mailboxes/new"),
    (SYSTEM_ADMIN, "/system/organizations/{organization}/mailboxes/{mailbox}"),
    (ADMIN, "/configuration/settings/email"),
    (ADMIN, "/configuration/settings/email?in=all"),
    (ADMIN, "/configuration/settings/email?q=mail"),
    (ADMIN, "/configuration/settings/mail.signature/history"),
    (ADMIN, "/configuration/mailboxes/"),
    (ADMIN, "/configuration/mailboxes/?q=box+77"),
    (ADMIN, "/configuration/mailboxes/?state=attention&sort=-newest"),
    (ADMIN, "/configuration/mailboxes/?sort=-waiting"),
    (ADMIN, "/configuration/mailboxes/states"),
    (ADMIN, "/configuration/mailboxes/new"),
    (ADMIN, "/configuration/mailboxes/{mailbox}"),
    (ADMIN, "/configuration/quarantine/"),
    (ADMIN, "/configuration/people/"),
    (ADMIN, "/configuration/people/{member}"),
    (ADMIN, "/configuration/roles/"),
    (ADMIN, "/configuration/audit-log/"),
    (ADMIN, "/configuration/lead-sources/"),
    (ADMIN, "/configuration/channels/"),
    (ADMIN, "/configuration/templates/"),
    (MEMBER, "/my-configuration/email"),
)
