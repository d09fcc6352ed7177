"""The JSON API of an organization, and the page of its tokens."""
