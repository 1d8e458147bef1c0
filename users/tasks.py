"""Recurring jobs about people."""

from __future__ import annotations

from celery import shared_task

from users.session_store import SessionStore


@shared_task(runs_as="system")
def forget_ended_sessions() -> None:
    """Delete the rows of sessions that have ended. They let nobody in; this keeps the table small."""
    SessionStore.clear_expired()
