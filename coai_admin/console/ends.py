"""When something ends, as people choose it in forms: a span from now, a moment in UTC, or never."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

ON_DATE = "on_date"


class EndWidget(forms.Widget):
    """A choice of spans, and a moment (UTC) for the one that says "until a date". A program sends
    an ISO 8601 moment under the field's own name."""

    template_name = "components/end_widget.html"

    def __init__(self, choices: tuple[tuple[str, Any], ...]) -> None:
        super().__init__()
        self.choices = choices

    def more_names(self, name: str) -> tuple[str, ...]:
        """The names a page sends beside the field's own."""
        return (f"{name}_on",)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        value = data.get(name)
        return f"{ON_DATE} {data.get(f'{name}_on', '')}" if value == ON_DATE else value

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        chosen, _space, moment = str(value or self.choices[0][0]).partition(" ")
        context["widget"] |= {
            "choices": self.choices,
            "chosen": chosen,
            "moment": moment,
            "on_date": ON_DATE,
            "moment_name": f"{name}_on",
        }
        return context


def moment_of(text: str) -> datetime:
    """The moment that was typed or chosen, in UTC. Raises ValidationError for anything else."""
    try:
        moment = parse_datetime(text.strip())
    except ValueError:
        moment = None
    if moment is None:
        raise forms.ValidationError(
            gettext("“%(text)s” is not a date and time; write it like 2026-12-31 14:00.")
            % {"text": text[:40]}
        )
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise forms.ValidationError(gettext("That date is out of range.")) from error
