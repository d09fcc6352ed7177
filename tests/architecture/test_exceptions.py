"""The named exceptions: who looks across organizations, who commits below a door, who opens connections.

A new one belongs on these lists only with a reason that holds; mostly there is a way without it.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("tenants", "mailboxes", "workers", "webapp", "commands", "embedded")
LOOKING = {"across_organizations", "enter_installation", "inside_installation"}

# module → why it speaks as postroom_system
LOOKS_ACROSS = {
    "tenants.configuration.following": "a system page counts and names who overrides a setting",
    "tenants.installation.organizations": "a system page counts people",
    "tenants.organizations": "a user's own memberships, to choose one of them",
    "tenants.installation.users": "no organization loses its only administrator with a user",
    "tenants.installation.many_users": "no organization loses its last administrators with many users",
    "mailboxes.acting": "the sweep finds organizations with pending messages",
    "mailboxes.global_mailboxes.deleting": "a global mailbox goes from every organization it serves",
    "mailboxes.global_mailboxes.listing": "system pages count who follows a global mailbox",
    "mailboxes.global_mailboxes.reach": "a system page counts whom a save concerns",
    "mailboxes.global_mailboxes.shadowing": "a system page counts what would have been done",
    "mailboxes.global_mailboxes.grid": "a system page lists global mailboxes with who follows them",
    "mailboxes.global_mailboxes.uses": "system pages count who uses what the system offers",
    "mailboxes.global_mailboxes.reporting": "how a global account is, is told to whom it serves",
    "mailboxes.global_mailboxes.following": "what the system says is brought to whom it serves",
    "mailboxes.offering": "what the system offers is carried to every organization",
    "mailboxes.offering.followers": "a system page counts who follows what the system offers",
    "mailboxes.interchange.describing_globals": "global accounts are compared with a file",
    "mailboxes.interchange.global_mailboxes": "global accounts are changed by a file",
    "mailboxes.organization_deletion": "an organization goes, with what only remembers it",
    "mailboxes.inbox.digests": "the sweep finds whose digests are due",
    "mailboxes.invariants": "invariants hold for the whole installation",
    "mailboxes.health.installation": "a system page shows the past days, and folders that lack something",
    "mailboxes.health.worst": "a system page shows the accounts of all organizations that are worst off",
    "mailboxes.metrics": "figures are sums over the whole installation",
    "mailboxes.notices.sending": "the sweep finds whose notices are due, and the installation has its own",
    "mailboxes.oauth.keeping": "connections that nobody saved are forgotten for every owner",
    "mailboxes.oauth.tokens": "the token of a global account is refreshed",
    "mailboxes.outgoing.copies": "the Sent copy goes into a global account's folder",
    "mailboxes.outgoing.outbox": "the sweep finds outboxes with due messages",
    "mailboxes.outgoing.routes": "a global account sends for the mailbox of an organization",
    "mailboxes.responses.claims": "mailboxes that share an account share the limit of a sender",
    "mailboxes.rotation": "key rotation touches every stored secret",
    "mailboxes.routing.served": "a global account finds whom it serves",
    "mailboxes.setup.deleting": "the sweep finds mailboxes that are to go",
    "mailboxes.sync.claiming": "due accounts are claimed fairly between organizations",
    "mailboxes.sync.comparing": "the check goes over all accounts",
    "mailboxes.sync.foreground": "a pass finds out who owns its account",
    "mailboxes.sync.leases": "leases of global accounts",
    "mailboxes.sync.deaths": "whatever a dead worker held",
    "mailboxes.sync.mirroring": "reads of a routed account are in the organizations it serves",
    "webapp.auth.views": "the word that a recovery code was used belongs to no organization",
    "webapp.auth.provider": "an account at the identity provider belongs to no organization",
    "webapp.auth.passwords": "a password, and the word that it was changed, belong to no organization",
    "webapp.people.security": "a password, and the word that it was changed, belong to no organization",
    "mailboxes.counting": "a system page counts mailboxes",
    "webapp.global_mailboxes.door": "a system administrator sets up global mailboxes",
    "webapp.installation.user_import": "letters to new users belong to no organization",
    "webapp.installation.users": "a letter about a password belongs to no organization",
    "webapp.routing.door": "a system administrator looks after routing",
    "mailboxes.webhooks.calling": "the sweep finds webhooks with something to tell",
    "mailboxes.webhooks.keeping": "the calls of all webhooks are forgotten in time",
    "mailboxes.troubles.folders": "the sweep finds folders of all organizations that are not read",
    "mailboxes.troubles.accounts": "the sweep finds accounts of all organizations that wait for people",
    "workers.schedule": "the sweep rings for all organizations",
    "workers.watched": "the watcher holds connections of all accounts",
    "embedded.sample.planting": "the demo's global mailboxes move with its mail server",
}
# module → why it commits although it is no door
COMMITS = {
    "mailboxes.acting": "each message is a transaction of its own",
    "mailboxes.at_most_once": "a claim counts before a server is asked, no return before the final dot",
    "mailboxes.global_mailboxes.deleting": "one organization after another",
    "mailboxes.global_mailboxes.reporting": "what every mailbox served learns, in one statement",
    "mailboxes.global_mailboxes.following": "the system's change first, then its followers, in batches",
    "mailboxes.intake": "attempts are committed before a parse, each batch by itself",
    "mailboxes.intake.batches": "what is set aside is so whatever becomes of the others",
    "mailboxes.intake.routed": "ways are decided before a delivery, each organization by itself",
    "mailboxes.interchange.applying": "each organization of a file is a transaction",
    "mailboxes.interchange.global_mailboxes": "global mailboxes of a file come after all organizations",
    "mailboxes.inbox.digests": "each digest is queued by itself, and what one fails by keeps no other",
    "mailboxes.notices.sending": "what became of each notice is written down by itself",
    "mailboxes.offering": "what the system offers is carried to some organizations at a time",
    "mailboxes.oidc.checking": "no transaction while a provider is asked",
    "mailboxes.oidc.flow": "a request is answered once, and no transaction while a provider is asked",
    "mailboxes.oauth.consent": "a question is answered once, whatever comes of the answer",
    "mailboxes.oauth.keeping": "connections that nobody saved are forgotten for every owner",
    "mailboxes.oauth.tokens": "what a provider gave is kept, whatever becomes of the caller",
    "mailboxes.organization_deletion": "some rows at a time, and the organization at last",
    "mailboxes.outgoing.outbox": "an account that was connected again may send for several organizations",
    "mailboxes.outgoing.copies": "a copy in the Sent folder is settled by itself",
    "mailboxes.outgoing.routes": "what a server refuses is remembered whatever comes of the message",
    "mailboxes.outgoing.sending": "what became of each message is written down by itself",
    "mailboxes.people_letters": "each answer to somebody who asked for a password by itself",
    "mailboxes.responses.claims": "the window of an account, in the installation",
    "mailboxes.routing.moving": "a move is a chain of short transactions of two owners",
    "mailboxes.retention": "each batch by itself",
    "mailboxes.rotation": "all secrets or none, across organizations",
    "mailboxes.setup.deleting": "some rows of a mailbox at a time, and the mailbox at last",
    "mailboxes.sync.arriving": "arrivals and cursor, per batch",
    "mailboxes.sync.auditing": "what was found in a folder, and no transaction while a server is asked",
    "mailboxes.sync.claiming": "a claim counts before its bell is rung",
    "mailboxes.sync.flags": "how far flags were asked for, and no transaction while a server is asked",
    "mailboxes.sync.folders": "the list of folders, by itself",
    "mailboxes.sync.deaths": "whoever died holds nothing from now on",
    "mailboxes.sync.following": "flags and removals, per batch",
    "mailboxes.sync.history": "each slice of history by itself, and no transaction while a server is asked",
    "mailboxes.sync.leases": "a lease counts at once",
    "mailboxes.sync.leaving": "what a folder fails by, before the next is visited",
    "mailboxes.sync.mirroring": "what is told, once it is told",
    "mailboxes.sync.passes": "states of a pass, whatever comes next",
    "mailboxes.sync.refetching": "what has come whole, per batch",
    "mailboxes.sync.renaming": "no transaction while a server is asked",
    "mailboxes.sync.reusing": "no transaction while a server is asked",
    "mailboxes.sync.running": "no transaction while a server is asked",
    "mailboxes.troubles.folders": "what was told of each folder is remembered with it",
    "mailboxes.troubles.accounts": "what was told of each account is remembered with it",
    "mailboxes.webhooks.calling": "a claim counts before a receiver is asked, and what it came to by itself",
    "mailboxes.webhooks.keeping": "some rows at a time",
    "mailboxes.sync.unchanged": "that a server is not asked of all folders, before they are visited",
    "mailboxes.sync.unstable": "each portion, and no transaction while a server is asked",
    "mailboxes.sync.unstable_refetching": "what has come whole, or does not come, one by one",
    "mailboxes.sync.unstable_removals": "no transaction while a server is asked",
    "mailboxes.sync.visiting": "where a folder stands, and no transaction while a server is asked",
}
# module → which place among an account's few connections it has (`mailboxes.connection_places`)
CONNECTS = {
    "workers.watch": "the one that watches: an account belongs to one watcher",
    "mailboxes.sync.passes": "the one that reads: a pass holds the lease",
    "mailboxes.outgoing.copies": "the one that files copies: under a lock",
    "mailboxes.connection_check": "beside them, for seconds: a person checks a connection and waits",
    "mailboxes.sync.comparing": "beside them: somebody at a terminal compares all accounts",
}


@cache
def calls():
    """(module, name of what it calls) for every call in the code."""
    found = set()
    for package in CODE:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    found.add((module, getattr(node.func, "id", None) or getattr(node.func, "attr", None)))
    return found


def callers_of(names):
    return {module for module, name in calls() if name in names}


def test_only_these_look_across_organizations():
    found = callers_of(LOOKING) - {"tenants.database"}
    assert found <= set(LOOKS_ACROSS), (
        f"{found - set(LOOKS_ACROSS)}: stay inside one organization, or say why not"
    )


def test_only_these_commit_below_a_door():
    found = {module for module in callers_of({"commit"}) if module.startswith(("tenants", "mailboxes"))}
    assert found <= set(COMMITS), f"{found - set(COMMITS)}: let the door commit, or say why not"


def test_only_these_open_connections_that_a_server_counts():
    assert callers_of({"ImapConnection"}) == set(CONNECTS), "which place among an account's three has it?"


def test_the_lists_name_nobody_who_no_longer_needs_it():
    stale = {module for module in COMMITS if module not in callers_of({"commit"})}
    stale |= {module for module in LOOKS_ACROSS if module not in callers_of(LOOKING)}
    assert stale == set()
