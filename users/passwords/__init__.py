"""Passwords: how they are kept and checked, and the links by which people set new ones."""
