"""Cases: list and page."""
