"""Views that take files: how large a body they take, which for all others is settings'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.urls import Resolver404, resolve

View = TypeVar("View", bound=Callable[..., Any])
_FORM = 64 * 1024  # what a form has around its file


def takes_file(most_bytes: int) -> Callable[[View], View]:
    """Marks a view whose form sends a file of at most so many bytes."""

    def mark(view: View) -> View:
        view.most_bytes = most_bytes + _FORM  # type: ignore[attr-defined]
        return view

    return mark


def most_bytes(path: str) -> int:
    """How large a body the view at this path takes."""
    ordinary: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        view = resolve(path).func
    except Resolver404:
        return ordinary
    return getattr(view, "most_bytes", ordinary)
