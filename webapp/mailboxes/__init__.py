"""Pages on which mailboxes are set up, for an organization and for the system."""
