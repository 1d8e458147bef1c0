"""The audit log as a list: what may be asked of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import django_filters
from django import forms
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import reports
from audit.actions import Kind as ActionKind
from audit.registry import actions
from coai_admin.console.columns import Column, Kind
from coai_admin.console.filters import AnyOf, DayFrom, DayTo, Filters
from coai_admin.console.keyset import Sort
from coai_admin.console.listing import Listing

SYSTEM = "system"
_TYPED = re.compile(r"([a-z_]+):([0-9]{1,18})", re.ASCII)
_ID = re.compile(r"#?([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a filter names: what was typed, and the condition it stands for."""

    text: str
    condition: Q = field(compare=False)

    def __str__(self) -> str:
        return self.text


class ActorField(forms.CharField):
    """A colleague by username or id, or ``system``."""

    def clean(self, value: Any) -> Who | None:
        text = super().clean(value)
        if not text:
            return None
        if text.lower() == SYSTEM:
            return Who(text, Q(actor_id__isnull=True))
        return Who(text, Q(actor_id=_person(text)))


class TargetField(forms.CharField):
    """A user by username or id; anything else as ``type:id``, such as ``import:3``."""

    def clean(self, value: Any) -> Who | None:
        text = super().clean(value)
        if not text:
            return None
        if typed := _TYPED.fullmatch(text):
            return Who(text, Q(target_type=typed[1], target_id=int(typed[2])))
        return Who(text, Q(target_type="user", target_id=_person(text)))


def _person(text: str) -> int:
    """The id of somebody called so now, or the number itself: the log remembers people who are
    gone. ``#42`` is always the number, also where somebody is called 42."""
    if text.startswith("#") and (number := _ID.fullmatch(text)):
        return int(number[1])
    people = get_user_model().objects.named(text)
    named: int | None = people.values_list("pk", flat=True).first()
    if named is not None:
        return named
    if number := _ID.fullmatch(text):
        return int(number[1])
    raise forms.ValidationError(
        gettext("nobody is called “%(name)s”; write a username or an ID.") % {"name": text[:40]}
    )


class WhoFilter(django_filters.Filter):
    """Entries by the person a field names."""

    def __init__(self, field_class: type[forms.CharField], example: Any, **options: Any) -> None:
        self.field_class = field_class
        widget = forms.TextInput(attrs={"placeholder": example, "autocomplete": "off"})
        super().__init__(max_length=150, widget=widget, **options)

    def filter(self, qs: models.QuerySet[Any], value: Who | None) -> models.QuerySet[Any]:
        return qs if value is None else qs.filter(value.condition)


class ActionFilter(AnyOf):
    """Entries of some actions. What actions there are is known only when every app is loaded."""

    field_class = forms.MultipleChoiceField


def _action_choices() -> list[tuple[str, str]]:
    choices = [(code, str(action.label)) for code, action in actions().items()]
    return sorted(choices, key=lambda choice: choice[1])


class EntryFilters(Filters):
    """What the audit page can be asked for."""

    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=ActionKind.choices, method="of_kind", empty_label=_("everything")
    )
    action = ActionFilter(label=_("Action"), choices=_action_choices)
    actor = WhoFilter(ActorField, _("username, ID or system"), label=_("Done by"))
    target = WhoFilter(TargetField, _("username or ID"), label=_("Done to"))
    reason = django_filters.CharFilter(
        label=_("Reason contains"), lookup_expr="icontains", max_length=200
    )
    ticket = django_filters.CharFilter(label=_("Ticket"), max_length=100)
    act = django_filters.UUIDFilter("act_id", label=_("Operation ID"))
    request = django_filters.CharFilter("request_id", label=_("Request ID"), max_length=64)
    since = DayFrom("created_at", label=_("From"))
    until = DayTo("created_at", label=_("To"))

    def of_kind(
        self, entries: models.QuerySet[Any], _name: str, value: str
    ) -> models.QuerySet[Any]:
        """Entries of one kind."""
        return entries.filter(reports.kind_condition(value, actions()))


ENTRIES: Listing[reports.Line] = Listing(
    name="audit",
    rows=lambda viewer, now: reports.visible(viewer),  # type: ignore[arg-type]  # a Reader, as audit.people says
    columns=(
        Column(
            name="created",
            label=_("When"),
            kind=Kind.DATE,
            read=lambda now: F("created_at"),
            sort=Sort(key="created_at", field=models.DateTimeField()),
        ),
        Column(name="action", label=_("What")),
        Column(name="actor", label=_("Done by")),
        Column(name="target", label=_("Done to")),
        Column(name="changes", label=_("Before and after")),
        Column(name="reason", label=_("Why")),
    ),
    default="-created",
    filters=EntryFilters,
    facts=lambda ids, viewer, now: reports.lines(ids, viewer),  # type: ignore[arg-type]
)
