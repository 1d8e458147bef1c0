"""Inviting people to an account, and their joining."""
