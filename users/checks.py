"""System checks: what declares no permission is not deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from celery import current_app
from celery.loaders.base import autodiscover_tasks  # type: ignore[attr-defined]
from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.urls import URLPattern, URLResolver, get_resolver

from audit.registry import operations
from coai_admin.console.jobs import Principal
from users import roles
from users.access import Access

RUNS_AS = get_args(Principal)


def check_access(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every URL declares its access, every operation has a row in the matrix, every task says
    as whom it runs."""
    return [*_urls(), *_operations(), *_tasks()]


def _urls() -> Iterator[CheckMessage]:
    for route, view in _views(get_resolver().url_patterns, ""):
        access: Access | None = getattr(view, "access", None)
        if access is None:
            yield Error(
                f"/{route} declares no access.",
                hint="Decorate the view with one of users.access: permission, own_account, public.",
                id="users.E001",
            )
        elif access.code and access.code not in roles.ROWS:
            yield Error(
                f"/{route} asks for {access.code}, which has no row in users.roles.MATRIX.",
                id="users.E002",
            )


def _views(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def _operations() -> Iterator[CheckMessage]:
    for code in operations():
        if code not in roles.ROWS:
            yield Error(f"The operation {code} has no row in users.roles.MATRIX.", id="users.E003")


def _tasks() -> Iterator[CheckMessage]:
    """A task declares ``runs_as``: "system", or "requester" when it acts for the person named
    in its arguments."""
    autodiscover_tasks(config.name for config in apps.get_app_configs())
    for name, task in sorted(current_app.tasks.items()):
        if not name.startswith("celery.") and getattr(task, "runs_as", None) not in RUNS_AS:
            yield Error(
                f"The task {name} does not say as whom it runs.",
                hint='Write @job(runs_as="system") of coai_admin.console.jobs.',
                id="users.E004",
            )
