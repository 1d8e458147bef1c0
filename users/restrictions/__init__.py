"""Suspending people and letting them back."""
