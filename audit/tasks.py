"""Jobs of the audit app. Each is a thin door to a function that any code can call."""

from __future__ import annotations

from datetime import timedelta

from django.utils.timezone import now

from audit import export_files, export_writing, outbox, partitions, selection
from audit.runs import approving, steering, working
from coai_admin.console.jobs import job

_AHEAD = timedelta(days=93)


@job(runs_as="system")
def deliver_outbox() -> None:
    """Every few seconds: hand waiting messages to their handlers."""
    outbox.deliver(now=now())


@job(runs_as="system")
def ensure_partitions() -> None:
    """Several times a day: make the partitions of this month and the next three."""
    today = now()
    partitions.ensure_partitions(today, today + _AHEAD)


@job(runs_as="system")
def forget_selections() -> None:
    """Every hour: delete selections whose day is over. Nobody can use them any more."""
    selection.expire(now())


@job(runs_as="system")
def work_runs() -> None:
    """Every other second: work on the run that is due longest, for some seconds."""
    working.work()


@job(runs_as="system")
def expire_approvals() -> None:
    """Every few minutes: end what nobody approved within a day, and tell who asked."""
    approving.expire(now())


@job(runs_as="system")
def forget_drafts() -> None:
    """Every hour: delete runs that were prepared, and not started within a day."""
    steering.forget_drafts(now())


@job(runs_as="system")
def write_exports() -> None:
    """Every few seconds: write the exports that wait, one after the other, each with the rights of
    its maker."""
    while export_writing.write_next(now=now()):
        pass


@job(runs_as="system")
def expire_exports() -> None:
    """Every few minutes: delete the files of exports whose days are over."""
    export_files.expire(now())
