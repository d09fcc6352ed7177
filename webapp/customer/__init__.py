"""The demo's page *Write as a customer*: a message goes out by SMTP, and comes back as work."""
