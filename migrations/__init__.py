"""Changes of the schema, numbered, read in order."""
