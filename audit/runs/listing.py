"""Runs as a list: what may be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import django_filters
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from audit.models import Run
from audit.registry import operations
from audit.runs import seeing
from coai_admin.console.columns import Column, Kind
from coai_admin.console.filters import AnyOf, Filters
from coai_admin.console.keyset import Sort
from coai_admin.console.listing import Listing

MINE = "mine"


@dataclass(frozen=True, slots=True)
class Listed:
    """A run in the list, where its number is its id."""

    pk: int
    run: Run


def _operation_choices() -> list[tuple[str, str]]:
    many = [one for one in operations().values() if one.many]
    return sorted(((one.code, str(one.label)) for one in many), key=lambda choice: choice[1])


class OperationFilter(django_filters.ChoiceFilter):
    """Runs of one operation. What operations there are is known only when every app is loaded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=_operation_choices, **options)


class RunFilters(Filters):
    """What the page of runs can be asked for."""

    whose = django_filters.ChoiceFilter(
        label=_("Whose"),
        choices=[(MINE, _("mine"))],
        method="of_viewer",
        empty_label=_("everybody"),
    )
    state = AnyOf(label=_("State"), choices=Run.State.choices)
    act = OperationFilter(field_name="code", label=_("Act"), empty_label=_("every act"))

    def of_viewer(
        self, runs: models.QuerySet[Any], _name: str, _value: str
    ) -> models.QuerySet[Any]:
        """One's own runs."""
        return runs.filter(owner=self.viewer.pk)  # type: ignore[attr-defined]  # a Reader


def _facts(numbers: Sequence[int], *_context: Any) -> list[Listed]:
    runs = Run.objects.filter(number__in=numbers).defer("params", "forecast", "refusals")
    return [Listed(run.number, run) for run in runs]


RUNS: Listing[Listed] = Listing(
    name="runs",
    rows=lambda viewer, now: seeing.visible(viewer),  # type: ignore[arg-type]  # a Reader, as audit.people says
    columns=(
        Column(name="run", label=_("Run")),
        Column(name="state", label=_("State")),
        Column(name="changed", label=_("Changed"), kind=Kind.NUMBER),
        Column(name="refused", label=_("Refused"), kind=Kind.NUMBER),
        Column(name="owner", label=_("By")),
        Column(
            name="created",
            label=_("Prepared"),
            kind=Kind.DATE,
            read=lambda now: F("created_at"),
            sort=Sort(key="created_at", field=models.DateTimeField()),
        ),
        Column(name="took", label=_("Took"), kind=Kind.NUMBER),
    ),
    default="-created",
    filters=RunFilters,
    facts=_facts,
    pk="number",
)
