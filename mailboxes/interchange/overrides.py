"""What an organization says of global mailboxes otherwise than the system, in the words of a file."""

from typing import Any

from mailboxes.global_mailboxes import overriding
from mailboxes.global_mailboxes.checking import checked
from mailboxes.interchange.describing_globals import WORDS, followed_mailboxes
from mailboxes.interchange.mailboxes import action_settings, grant_of, keep_rules
from mailboxes.interchange.organization import member_id
from mailboxes.interchange.values import Description, compared
from mailboxes.interchange.work import Work
from mailboxes.system_mailboxes import Mailbox


def keep_overrides(current: Description, wanted: Description, work: Work) -> None:
    """Each global mailbox says here what the file says, and follows the system in everything else.

    One that the same file brings here is not there before all organizations are; it is checked already, and
    kept when this is called once more. What is locked waits: an export says that too, and the same file may
    take the lock away.
    """
    for address in [address for address in current if address not in wanted]:
        overriding.override_only(followed_mailboxes()[address], {}, by=work.by)
    for address, given in wanted.items():
        if current.get(address) == given:
            continue
        inside = work.inside("global_mailboxes", address)
        mailbox = followed_mailboxes().get(address)
        if mailbox is None:
            _rehearse(address, given, inside)
        else:
            _keep(mailbox, current.get(address, {}), given, inside)


def _keep(mailbox: Mailbox, current: Description, wanted: Description, work: Work) -> None:
    with work.at():
        overriding.override_only(mailbox, _values(wanted), by=work.by, may_wait=True)
    keep_rules(mailbox, current.get("own_rules", {}), wanted.get("own_rules", {}), work.inside())


def _rehearse(address: str, wanted: Description, work: Work) -> None:
    """The mailbox is to come with this file: what can be judged without it is."""
    with work.at():
        for field, value in _values(wanted).items():
            checked(Mailbox(address=address, action="nothing"), field, value)
    if not work.keeps:
        _, slug, *rest = work.place
        work.extra.extend(compared(None, wanted, (f"organization {slug}", *rest)))


def _values(wanted: Description) -> dict[str, Any]:
    """Overrides as the store has them: people and roles by id."""
    values = {field: wanted[word] for field, word in WORDS.items() if wanted.get(word) is not None}
    if "owner" in values:
        values["owner"] = member_id(values["owner"]) if values["owner"] else ""
    if "processing" in values:
        action = values["processing"]["action"]
        settings = action_settings(action, values["processing"].get("settings", {}))
        values["processing"] = {"action": action, "settings": settings}
    if "automation_from" in values:
        values["automation_from"] = values["automation_from"].isoformat()
    if "access" in values:
        values["access"] = [grant_of(one) for one in values["access"].values()]
    if "signature" in values:
        values["signature"] = values["signature"] or None
    return values
