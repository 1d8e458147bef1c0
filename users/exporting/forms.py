"""The form of an export that is made by schedule."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from users import exports
from users.exporting import schedules
from users.exporting.schedules import Plan
from users.models import ExportSchedule, SavedView, User

LIST, VIEW = "list", "view:"
_BREAKS = frozenset({"Cc", "Zl", "Zp"})  # the name is the subject of a letter


class ScheduleForm(forms.Form):
    """What is exported, when, and how the file looks. ``views``: those that the owner may follow;
    ``query`` and ``columns``: the list from which the form was opened."""

    name = forms.CharField(
        max_length=schedules.LONGEST_NAME,
        label=_("Name"),
        help_text=_("The subject of the letter that says when it is ready."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    what = forms.ChoiceField(label=_("Users"), help_text=_("A view is exported as it is then."))
    every = forms.ChoiceField(label=_("How often"), choices=ExportSchedule.Every.choices)
    weekday = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        label=_("Day of the week"),
        choices=[("", _("every day")), *ExportSchedule.Weekday.choices],
    )
    hour = forms.TypedChoiceField(
        coerce=int, label=_("Hour"), choices=[(hour, f"{hour:02}:00") for hour in range(24)]
    )
    columns = forms.ChoiceField(
        label=_("Columns"),
        choices=[("shown", _("As on screen, or as in the view")), ("all", _("All"))],
        widget=forms.RadioSelect,
    )
    file_type = forms.ChoiceField(
        label=_("File"),
        choices=[("csv", _("CSV")), ("xlsx", _("Excel"))],
        widget=forms.RadioSelect,
    )
    whole = forms.BooleanField(
        required=False,
        label=_("With whole email addresses"),
        help_text=_("Otherwise they are masked, as in a•••@e•••.com."),
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        label=_("Reason"),
        help_text=_("Needed for whole addresses; it stands in the audit log."),
    )

    def __init__(
        self,
        *args: Any,
        owner: User,
        views: Sequence[SavedView],
        query: str,
        columns: Sequence[str],
        asked: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._views = {f"{VIEW}{view.pk}": view for view in views}
        self._query, self._columns = query, columns
        choices = [(LIST, asked)]
        choices += [
            (key, gettext("The view “%(name)s”") % {"name": view.name})
            for key, view in self._views.items()
        ]
        self.fields["what"].choices = choices  # type: ignore[attr-defined]
        self.fields["hour"].help_text = gettext("Hours are those of %(zone)s.") % {
            "zone": settings.TIME_ZONE
        }
        if not owner.may(exports.WHOLE):
            del self.fields["whole"], self.fields["reason"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if any(unicodedata.category(letter) in _BREAKS for letter in name):
            raise forms.ValidationError(gettext("A name has no line breaks or control characters."))
        return name

    def clean(self) -> None:
        given = self.cleaned_data
        if given.get("whole") and not given.get("reason"):
            self.add_error("reason", gettext("Write why the addresses are needed."))
        weekly = given.get("every") == ExportSchedule.Every.WEEK
        if weekly and given.get("weekday") is None and "weekday" not in self.errors:
            self.add_error("weekday", gettext("Choose the day of the week."))

    def plan(self) -> Plan:
        """What was filled in."""
        given = self.cleaned_data
        view = self._views.get(given["what"])
        shown = list(view.columns) if view else list(self._columns)
        return Plan(
            name=given["name"],
            every=given["every"],
            weekday=given["weekday"] if given["every"] == ExportSchedule.Every.WEEK else None,
            hour=given["hour"],
            view_id=view.pk if view else None,
            query="" if view else self._query,
            columns=shown if given["columns"] == "shown" else [],
            masked=not given.get("whole"),
            reason=given.get("reason", ""),
            file_type=given["file_type"],
        )
