"""The first whom a run would change or refuse, as its preview found them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from audit.models import Run
from users.models import User


class FirstChange(NamedTuple):
    """One of the first who would change: the fields with their values before and after."""

    target_id: int
    name: str
    fields: Sequence[tuple[str, Any, Any]]


class FirstRefused(NamedTuple):
    """One of the first who are refused, and the sentence that says why."""

    target_id: int
    name: str
    why: str


def first_changes(run: Run, *, limit: int | None = None) -> list[FirstChange]:
    """With their names of today."""
    rows = (run.forecast or {}).get("first", [])[:limit]
    names = _names(rows)
    return [FirstChange(row["id"], names[row["id"]], _moved(row)) for row in rows]


def first_refused(run: Run, *, limit: int | None = None) -> list[FirstRefused]:
    """With their names of today."""
    rows = (run.forecast or {}).get("refused", [])[:limit]
    names = _names(rows)
    return [FirstRefused(row["id"], names[row["id"]], row["why"]) for row in rows]


def _names(rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    wanted = {row["id"]: f"#{row['id']}" for row in rows}
    return wanted | dict(User.objects.filter(pk__in=wanted).values_list("pk", "username"))


def _moved(row: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    before, after = row["before"], row["after"]
    return [
        (name, before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
