"""The routing rules of a global mailbox, kept as a file says.

Whom it serves may come with the same file, so that a rule may lead to an organization whose mailbox follows
only afterwards. In a rehearsal a rule to an organization that is yet to come is checked, and left out.
"""

from collections.abc import Mapping
from uuid import UUID

from mailboxes.accounts import Account
from mailboxes.interchange.values import Description
from mailboxes.interchange.work import Work
from mailboxes.routing.conditions import normalized, problem_of
from mailboxes.routing.deciding import Rule
from mailboxes.routing.rules import MOST_RULES, replace_rules, rules_of
from tenants.database import db
from tenants.errors import InvalidError

ALL = "all"


def keep_routing(account: Account, wanted: Description, known: Mapping[str, UUID], work: Work) -> None:
    """Exactly the rules of the file, in its order; those that stay keep their hits."""
    stored = {(rule.field, rule.value): rule.id for rule in db.session.scalars(rules_of(account.id))}
    drafts: dict[tuple[str, str], Rule] = {}
    given = wanted.get("routing") or []
    if len(given) > MOST_RULES:
        raise InvalidError(f"A mailbox has at most {MOST_RULES} routing rules.")
    for one in given:
        condition = _checked(one, wanted)
        if condition in drafts:
            raise InvalidError(f"Two rules look for {condition[1]}. Keep one of them.", field="value")
        id = known.get(one["organization"])
        if id is not None:
            drafts[condition] = Rule(*condition, id, stored.get(condition))
        elif one["organization"] not in work.document.organizations:
            raise InvalidError(f"There is no organization {one['organization']}.", field="organization")
    replace_rules(account, list(drafts.values()), by=work.by)


def _checked(one: Description, wanted: Description) -> tuple[str, str]:
    value = normalized(one["field"], one["value"])
    if problem := problem_of(one["field"], value):
        raise InvalidError(problem, field="value")
    serves, slug = wanted.get("serves", []), one["organization"]
    if serves != ALL and slug not in serves and slug != wanted.get("home"):
        raise InvalidError(f"The mailbox does not serve {slug}. Write it under “serves”.", field="serves")
    return one["field"], value
