"""Every table of the product in one import, for migrations, checks and tests."""

import mailboxes.accounts
import mailboxes.arrivals
import mailboxes.conversion
import mailboxes.crm.cases
import mailboxes.crm.channels
import mailboxes.crm.contacts
import mailboxes.crm.lead_sources
import mailboxes.crm.leads
import mailboxes.crm.system_sources
import mailboxes.drafts
import mailboxes.global_mailboxes.table
import mailboxes.health.pass_log
import mailboxes.health.volume
import mailboxes.inbox.read_state
import mailboxes.inbox.saved_views
import mailboxes.inbox.subscriptions
import mailboxes.messages
import mailboxes.notices
import mailboxes.oauth
import mailboxes.oidc.requests
import mailboxes.outgoing
import mailboxes.proofs
import mailboxes.responses
import mailboxes.routing.marks
import mailboxes.routing.records
import mailboxes.routing.rules
import mailboxes.rules
import mailboxes.search
import mailboxes.system_mailboxes
import mailboxes.templates
import mailboxes.templates.system
import mailboxes.threads
import mailboxes.threads.notes
import mailboxes.threads.tags
import mailboxes.timeline
import mailboxes.undeliverable
import mailboxes.webhooks.table  # noqa: F401
import tenants.api_tokens
import tenants.audit
import tenants.configuration.overrides
import tenants.offers
import tenants.organizations
import tenants.people.invitations
import tenants.permissions
import tenants.users
import tenants.users.identities
import tenants.users.password_links
import tenants.users.recovery_codes
import tenants.users.second_factor  # noqa: F401
from tenants.database import Base

METADATA = Base.metadata
