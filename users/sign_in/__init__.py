"""Signing in, and confirming later that it is still the same person."""
