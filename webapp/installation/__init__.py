"""Organizations and users of the installation, as system administrators see them."""
