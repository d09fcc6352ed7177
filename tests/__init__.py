"""Tests: sentences about what Postroom does, on real servers."""
