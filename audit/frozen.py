"""Parameters of an act as JSON that comes back as it was. A large act is decided when it is
prepared: what a form made of words like “as usual for the reason” must not mean something else when
somebody else approves it, or halfway through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

# A value of one of these kinds is an object of one pair: the kind, and the value as text.
_KINDS: tuple[tuple[str, type, Callable[[Any], str], Callable[[str], Any]], ...] = (
    ("decimal", Decimal, str, Decimal),
    ("moment", datetime, datetime.isoformat, datetime.fromisoformat),
    ("day", date, date.isoformat, date.fromisoformat),
)


def freeze(params: Mapping[str, Any]) -> dict[str, Any]:
    """Cleaned parameters as JSON. TypeError for a value that would not come back as it is."""
    return {name: _frozen(value) for name, value in params.items()}


def thaw(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that were frozen."""
    return {name: _thawed(value) for name, value in kept.items()}


def _frozen(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list | tuple):
        return [_frozen(each) for each in value]
    for name, kind, write, _read in _KINDS:
        if isinstance(value, kind):
            return {name: write(value)}
    raise TypeError(f"{type(value).__name__} cannot be frozen")


def _thawed(value: Any) -> Any:
    if isinstance(value, list):
        return [_thawed(each) for each in value]
    if isinstance(value, dict):
        [(name, text)] = value.items()
        return next(read for kind, _type, _write, read in _KINDS if kind == name)(text)
    return value
