"""A mail server for the demo and development: IMAP (pymap), SMTP in and out (aiosmtpd)."""
