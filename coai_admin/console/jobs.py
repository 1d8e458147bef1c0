"""Declaring what runs in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, ParamSpec, cast

from celery import Task, shared_task

P = ParamSpec("P")
Principal = Literal["system", "requester"]


def job(*, runs_as: Principal, **options: Any) -> Callable[[Callable[P, None]], Task[P, None]]:
    """Make a function a Celery task that says as whom it runs: as the system, or as the requester,
    the person who is named in its arguments and whose permissions are asked again. ``options`` are
    Celery's. ``manage.py check`` refuses a task without this declaration."""
    decorate = cast("Any", shared_task)(runs_as=runs_as, **options)
    return cast("Callable[[Callable[P, None]], Task[P, None]]", decorate)
