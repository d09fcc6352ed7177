"""What system administrators see: the installation, its organizations and people."""
