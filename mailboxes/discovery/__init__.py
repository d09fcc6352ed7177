"""Connection settings for an address: known providers, DNS, autoconfig. What is found is only proposed.

Everything is asked through the egress guard and within one short time. What fails is left out without a
word: the person types what they know, and nobody learns from us what stands behind a name.
"""

from mailboxes.discovery.discovering import Places, discover
from mailboxes.discovery.values import Proposal, Server

__all__ = ["Places", "Proposal", "Server", "discover"]
