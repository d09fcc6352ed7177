"""Pages on which automatic responses are set up: the rules of a mailbox and the email templates."""
