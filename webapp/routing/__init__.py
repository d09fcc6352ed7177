"""Routing of global accounts, for system administrators: rules, trying them, what is unrouted, moves."""
