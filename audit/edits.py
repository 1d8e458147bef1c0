"""Editing configuration: rows that few people change and many depend on. No operations: one row at
a time, seen as it is, changed under lock, accounted for in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from audit import record
from audit.people import Actor

Changes = dict[str, list[Any]]
_Row = TypeVar("_Row", bound=Model)


class ChangedMeanwhile(Exception):
    """What was to be edited is not what the editor saw; the text is the sentence they read."""

    def __init__(self) -> None:
        super().__init__(
            _("Somebody changed this since you opened it. Look at what it is now, and save again.")
        )


def version(values: Mapping[str, Any]) -> str:
    """What an editor saw, as a short text that travels with the form."""
    return hashlib.sha256(record.as_json(values).encode()).hexdigest()[:16]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Each value of ``after`` that differs, before and after."""
    return {
        name: [before.get(name), value]
        for name, value in after.items()
        if before.get(name) != value
    }


def values_of(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """What a row holds now under these names."""
    return {name: getattr(row, name) for name in names}


def locked(row: _Row) -> _Row:
    """The row as it is now, until the transaction ends nobody else's to edit."""
    return type(row)._default_manager.select_for_update(no_key=True).get(pk=row.pk)


def compared(before: Mapping[str, Any], values: Mapping[str, Any], *, seen: str) -> Changes:
    """What these values change. ``seen``: the ``version`` of the values that the editor saw. Raises
    ChangedMeanwhile where ``before`` is not that any more."""
    if version(before) != seen:
        raise ChangedMeanwhile
    return changes(before, values)


@transaction.atomic
def edit(
    row: Model,
    values: Mapping[str, Any],
    *,
    action: str,
    seen: str,
    actor: Actor,
    now: datetime,
    reason: str,
) -> Changes:
    """Give the row these values; what changed is recorded as ``action``. ``seen``: the ``version``
    of the values that the editor saw. Raises ChangedMeanwhile where they are not so any more."""
    held = locked(row)
    made = compared(values_of(held, values), values, seen=seen)
    if made:
        for name, value in values.items():
            setattr(held, name, value)
        held.save(update_fields=list(made))
        account(held, made, action=action, actor=actor, now=now, reason=reason)
    return made


@transaction.atomic
def add(
    row: Model, names: list[str], *, action: str, actor: Actor, now: datetime, reason: str
) -> None:
    """Make the row; its values are recorded as ``action``."""
    row.save(force_insert=True)
    made = {name: [None, getattr(row, name)] for name in names}
    account(row, made, action=action, actor=actor, now=now, reason=reason)


def account(
    row: Model, made: Changes, *, action: str, actor: Actor, now: datetime, reason: str
) -> None:
    """Record what was made of a row, in the caller's transaction."""
    number = row.pk if isinstance(row.pk, int) else None
    target = (row._meta.model_name or "", number, str(row))
    record.entry(action, actor=actor, now=now, target=target, changes=made, reason=reason)
