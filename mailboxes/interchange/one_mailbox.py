"""One mailbox or rule of the current organization, described and changed in the words of a file."""

from mailboxes.interchange.bodies import Body
from mailboxes.interchange.describing_mailboxes import Names, described_mailbox, described_rule
from mailboxes.interchange.mailboxes import kept_rule, saved
from mailboxes.interchange.nodes import Fields, number
from mailboxes.interchange.reading import Document
from mailboxes.interchange.reading_mailboxes import GRANT, MAILBOX, RULE, grantee, rule_reader
from mailboxes.interchange.records import record, things
from mailboxes.interchange.values import ABSENT, Description, merged
from mailboxes.interchange.work import Work
from mailboxes.rules import AutoResponseRule, move_rule
from mailboxes.system_mailboxes import Mailbox
from tenants.audit import Actor

_FIELDS: Fields = {
    **{name: reader for name, reader in MAILBOX.items() if name != "rules"},
    "access": things(GRANT, grantee, removable=False),
}
NEW_MAILBOX = record(_FIELDS, ("address",))
MAILBOX_CHANGES = record(_FIELDS)
_RULE_FIELDS: Fields = {**RULE, "position": number}
NEW_RULE = rule_reader(_RULE_FIELDS, ("name",))
RULE_CHANGES = rule_reader(_RULE_FIELDS)


def describe_mailbox(mailbox: Mailbox) -> Description:
    """As its page shows it, without its rules; secrets are `Secret`."""
    return {name: value for name, value in described_mailbox(mailbox, "", Names()).items() if name != "rules"}


def make_mailbox(given: Description, *, by: Actor) -> Mailbox:
    """A new one; `BodyError` at the place that is wrong."""
    work = _work(by)
    with work.at():
        return saved(None, given["address"], merged({}, given), work)


def change_mailbox(mailbox: Mailbox, given: Description, *, by: Actor) -> None:
    """What is said becomes true, and what is not stays; a list is replaced as a whole."""
    current = describe_mailbox(mailbox)
    if "access" in given:
        gone = {name: ABSENT for name in current["access"] if name not in given["access"]}
        given = {**given, "access": given["access"] | gone}
    work, wanted = _work(by), merged(current, given)
    with work.at():
        saved(mailbox, wanted["address"], wanted, work)


def describe_rule(rule: AutoResponseRule) -> Description:
    """A rule, as its form shows it."""
    return described_rule(rule)


def keep_rule(
    mailbox: Mailbox, rule: AutoResponseRule | None, given: Description, *, by: Actor
) -> AutoResponseRule:
    """A new rule, or another with what is said of it; `BodyError` at the place that is wrong."""
    current: Description = describe_rule(rule) if rule is not None else {}
    position = given.pop("position", None)
    work = _work(by)
    with work.at():
        if rule is None or given:
            rule = kept_rule(mailbox, rule, merged(current, given), work)
        if position is not None:
            move_rule(rule, position, by=by)
        return rule


def _work(by: Actor) -> Work:
    return Work(Document(Body(_PLACES), {}, {}, {}), by)


# Fields of the forms that a file, and a body, calls otherwise.
_PLACES = {
    "template_id": ("template",),
    "kind": ("response", "type"),
    **dict.fromkeys(("texts", "subject", "content"), ("response", "texts")),
}
