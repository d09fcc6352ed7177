"""What an organization's administrators configure."""
