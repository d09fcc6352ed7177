"""Contacts: list and page."""
