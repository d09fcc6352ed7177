"""Leads: list and page."""
