"""Pages of global mailboxes: for system administrators, and for each organization that follows."""
