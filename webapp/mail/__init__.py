"""My Emails: lists, conversations, answers."""
