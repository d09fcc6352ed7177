"""Messages that could not be taken in, of everything an organization or the installation fetches."""
