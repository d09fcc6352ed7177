"""People and roles of an organization, as its administrators see them."""
