"""Filters of a listing: django-filter with strict parameters, chips, and rules of what a viewer may
ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import django_filters
from django import forms
from django.core.exceptions import BadRequest
from django.db import models
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from coai_admin.console.columns import Viewer


class BadParameter(BadRequest):
    """A parameter of a list page that is unknown, repeated or wrong; the text names it."""


class Chip(NamedTuple):
    """A filter that is on: what it says, and the parameter that is taken away to end it; or of
    which ``rest`` stays."""

    name: str
    label: str
    value: str
    rest: str = ""


class DayField(forms.DateField):
    """A calendar day in UTC, as a browser's date input sends it and nothing else."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    input_formats = ["%Y-%m-%d"]


class DayFrom(django_filters.Filter):
    """Moments from the start of a day (UTC) on. ``key``: the expression that an index holds, where
    the field may be empty; ``known``: what holds for ``_key`` where it is not."""

    field_class = DayField
    lookup = "gte"

    def __init__(
        self, *args: Any, key: Any = None, known: models.Q | None = None, **kwargs: Any
    ) -> None:
        self.key, self.known = key, known
        super().__init__(*args, **kwargs)

    def filter(self, qs: models.QuerySet[Any], value: date | None) -> models.QuerySet[Any]:
        bound = None if value is None else self.bound(value)
        if bound is None:
            return qs
        name = self.field_name
        if self.key is not None:
            name, qs = "_key", qs.alias(_key=self.key).filter(self.known)
        return qs.filter(**{f"{name}__{self.lookup}": bound})

    def bound(self, day: date) -> datetime | None:
        """The moment that a day stands for; None when every moment is within."""
        return _midnight(day)


class DayTo(DayFrom):
    """Moments up to the end of a day (UTC): the day itself counts."""

    lookup = "lt"

    def bound(self, day: date) -> datetime | None:
        return None if day == date.max else _midnight(day + timedelta(days=1))


class AnyOf(django_filters.MultipleChoiceFilter):
    """Rows whose field is one of the chosen values; the parameter may be repeated."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, distinct=False, **kwargs)

    def filter(self, qs: models.QuerySet[Any], value: list[str]) -> models.QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__in": value}) if value else qs


class Filters(django_filters.FilterSet):
    """The base of every listing's filters. ``self.viewer`` and ``self.now`` say for whom and when
    they are asked.

    ``hidden_from`` takes filters away from those who may not ask them; ``clean`` judges values by
    their viewer.
    """

    # The base class copies every filter and builds a form for each request; most requests filter by
    # nothing.
    def __init__(
        self, data: QueryDict, queryset: models.QuerySet[Any], *, viewer: Viewer, now: datetime
    ):
        self.viewer, self.now = viewer, now
        self.data, self.queryset = data, queryset
        self.is_bound, self.request, self.form_prefix = True, None, None
        self.names = self.base_filters.keys() - self.hidden_from(viewer)
        self.asked = self.names & data.keys()

    @cached_property
    def filters(self) -> dict[str, django_filters.Filter]:
        """The filters that exist for this viewer, bound to these rows."""
        filters = {
            name: deepcopy(each) for name, each in self.base_filters.items() if name in self.names
        }
        for each in filters.values():
            each.model, each.parent = self.queryset.model, self
        return filters

    @property
    def qs(self) -> models.QuerySet[Any]:
        """The rows that pass every filter that is on."""
        return super().qs if self.asked else self.queryset

    @classmethod
    def hidden_from(cls, viewer: Viewer) -> frozenset[str]:  # noqa: ARG003 (for those that have something to hide)
        """The names of filters that do not exist for this viewer."""
        return frozenset()

    def clean(self, data: Mapping[str, Any]) -> None:
        """Look at the values together, and ``refuse`` those that this viewer may not ask."""

    def refuse(self, name: str, why: str) -> None:
        """Say beside the field why its value cannot be used."""
        self.form.add_error(name, why)

    def is_valid(self) -> bool:
        """Whether every value was understood and may be asked. Decided once."""
        if not self.asked:
            return True
        if not hasattr(self, "_judged"):
            if self.form.is_valid():
                self.clean(self.form.cleaned_data)
            self._judged = not self.form.errors
        return self._judged

    def values(self) -> Iterator[tuple[str, Any]]:
        """Name and value of every filter that is on."""
        if not self.asked:
            return
        for name, value in self.form.cleaned_data.items():
            if value not in (None, "", [], ()):
                yield name, value

    def chips(self) -> list[Chip]:
        """The filters that are on, in words."""
        return [
            Chip(name, str(self.form.fields[name].label), self._words(name, value))
            for name, value in self.values()
        ]

    def _words(self, name: str, value: Any) -> str:
        field = self.form.fields[name]
        many = list(value) if isinstance(value, list | tuple) else [value]
        names: Mapping[str, Any] = {
            str(key): label for key, label in getattr(field, "choices", ()) if key not in (None, "")
        }
        return _(" or ").join(str(names.get(str(one), _plain(one))) for one in many)


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return date_format(value, "j M Y")
    return str(value)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
