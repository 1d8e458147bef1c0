"""Demonstration data: believable people with two years behind them. ``manage.py demo`` loads it.

names and people make people; subscriptions, credits and restrictions give them a history; loading
writes all of it. Everything but passwords and keys comes from a seed, so that two consoles show
the same.
"""
