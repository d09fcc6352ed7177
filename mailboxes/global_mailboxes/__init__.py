"""Global mailboxes: what the system says of them, and what each organization that they serve makes of it.

The system's values are in `table`; `saving` changes them. `following` brings them into the mailbox of every
served organization, which follows field by field until it overrides (`overriding`). `fields` says which.
"""
