"""Recurring jobs about people."""

from __future__ import annotations

from coai_admin.console.jobs import job
from users.sessions.store import SessionStore


@job(runs_as="system")
def forget_ended_sessions() -> None:
    """Delete the rows of sessions that have ended. They let nobody in; this keeps the table
    small."""
    SessionStore.clear_expired()
