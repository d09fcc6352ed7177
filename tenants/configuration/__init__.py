"""Layers of configuration: what can be set, what is set where, and who wins."""
