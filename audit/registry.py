"""What the apps declare to each other: literal lists of dotted names in settings, imported once.
No discovery."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from audit.actions import Action, Kind
from audit.operations import Operation


def _listed(setting: str) -> tuple[Any, ...]:
    return tuple(item for name in getattr(settings, setting) for item in import_string(name))


@cache
def operations() -> dict[str, Operation]:
    """Every operation by its code, in the order of menus."""
    return {operation.code: operation for operation in _listed("OPERATIONS")}


@cache
def _apart() -> dict[str, Operation]:
    return {operation.code: operation for operation in _listed("OPERATIONS_APART")}


def operation_of(code: str) -> Operation | None:
    """The operation behind an act or a run, also one that no menu offers because it begins on a
    page of its own."""
    return operations().get(code) or _apart().get(code)


@cache
def user_panels() -> tuple[Any, ...]:
    """The panels of the user page, in order (see ``audit.panels``)."""
    return _listed("USER_PANELS")


@cache
def actions() -> dict[str, Action]:
    """Every word of the audit log by its code: the operations, and what the apps record besides."""
    acts = [
        Action(operation.code, operation.label, Kind.CHANGE, operation.icon)
        for operation in (*operations().values(), *_apart().values())
    ]
    return {action.code: action for action in (*acts, *_listed("ACTIONS"))}


@cache
def defect_finders() -> tuple[Any, ...]:
    """What finds disagreements in the database, for manage.py reconcile."""
    return tuple(import_string(name) for name in settings.DEFECT_FINDERS)
