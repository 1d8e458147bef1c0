"""Exports of users that are written in the background, once or by schedule."""
