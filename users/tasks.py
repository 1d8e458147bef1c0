"""Recurring jobs about people."""

from __future__ import annotations

from django.utils.timezone import now

from coai_admin.console.jobs import job
from users.exporting import schedules
from users.second_factor import taking
from users.sessions.store import SessionStore
from users.uploads import working


@job(runs_as="system")
def forget_ended_sessions() -> None:
    """Delete the rows of sessions that have ended. They let nobody in; this keeps the table
    small."""
    SessionStore.clear_expired()


@job(runs_as="system")
def take_second_factors() -> None:
    """Every minute: take the second factors whose reset was asked for a day ago."""
    taking.take_due(now=now())


@job(runs_as="system")
def read_uploads() -> None:
    """Every other second: read the uploaded file that is due longest."""
    working.work()


@job(runs_as="system")
def forget_uploads() -> None:
    """Every hour: delete uploaded files that are not needed any more."""
    working.forget(now())


@job(runs_as="system")
def begin_scheduled_exports() -> None:
    """Twice a minute: begin the exports whose hour has come, each as its owner."""
    schedules.take_due(now=now())
