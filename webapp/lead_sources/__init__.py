"""Lead sources: those of an organization, and those that the system offers to every one."""
