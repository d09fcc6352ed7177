"""The configuration page, the same at every level: its form, what it saves, how it is shown."""
