"""Whether a message gets an automatic response, and why. Pure: facts and a context in, a decision out.

    decision = decide(facts, context)
    decision.send, decision.rule_id, decision.reasons

The first active rule that matches answers (§3.1 rule 15: one answer, whatever else matches), unless one
of the `suppressions` speaks against it. No session and no socket: to try a rule cannot send anything.
"""

from __future__ import annotations

from mailboxes.classifying import Facts
from mailboxes.conditions import matches
from mailboxes.decisions.suppressions import SUPPRESSIONS
from mailboxes.decisions.values import (
    Context,
    Decision,
    Limits,
    Options,
    Reason,
    Rule,
    Usage,
    case_of,
)

__all__ = [
    "NO_RULE",
    "SUPPRESSIONS",
    "Context",
    "Decision",
    "Limits",
    "Options",
    "Reason",
    "Rule",
    "Usage",
    "case_of",
    "decide",
]

MATCHED = "matched"
NO_RULE = "no-rule"
YOUNGER_RULE = "R26-younger-rule"


def decide(facts: Facts, context: Context) -> Decision:
    """Answer, or say every reason not to."""
    case = case_of(facts, context)
    rule, missing = _chosen_rule(context)
    against = [Reason(code, sentence) for code, check in SUPPRESSIONS if (sentence := check(case))]
    if rule is None:
        return Decision(False, None, (missing, *against), case.recipient)
    if against:
        return Decision(False, rule.id, tuple(against), case.recipient)
    return Decision(True, rule.id, (Reason(MATCHED, f"Rule “{rule.name}” matches."),), case.recipient)


def _chosen_rule(context: Context) -> tuple[Rule | None, Reason]:
    """The first rule that matches and was active when the message came."""
    if not context.rules:
        return None, Reason(NO_RULE, "The mailbox has no active rule.")
    found = [rule for rule in context.rules if matches(rule.conditions, context.fields)]
    in_time = [rule for rule in found if rule.active_since <= context.received_at]
    if in_time:
        return in_time[0], Reason(MATCHED, "")
    if found:
        return None, Reason(
            YOUNGER_RULE, f"Rule “{found[0].name}” matches, but was switched on after the message came."
        )
    return None, Reason(NO_RULE, "No active rule matches.")
