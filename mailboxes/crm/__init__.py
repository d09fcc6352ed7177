"""Contacts, leads and cases: what messages become."""
