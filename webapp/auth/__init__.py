"""Signing in and out, and choosing an organization."""
