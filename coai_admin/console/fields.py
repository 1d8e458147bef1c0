"""Form fields that accept exactly what they say: plain ASCII digits, no second spelling of a
number."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_LONGEST = 60
BIGGEST = 2**63 - 1


def _plain(value: Any) -> str | None:
    """What was sent as text, or None for what is neither text nor an exact number (floats,
    booleans, lists)."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.strip(" ") if len(text) <= _LONGEST else None


class StrictIntegerField(forms.IntegerField):
    """A whole number between ``min_value`` and ``max_value`` (a bigint by default). ``１２``,
    ``1_000``, ``1e3``, ``007`` and ``-0`` are refused: each number has one spelling."""

    default_error_messages = {"invalid": _("Write a whole number in plain digits, such as 12.")}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_value", BIGGEST)
        kwargs.setdefault("min_value", -BIGGEST)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        text = _plain(value)
        if text is None or text == "-0" or not _INTEGER.fullmatch(text):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return int(text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """The default bounds are no help to a person: only narrower ones reach the page."""
        attrs = super().widget_attrs(widget)
        return {name: bound for name, bound in attrs.items() if abs(_bound(bound)) != BIGGEST}


def _bound(value: Any) -> int:
    return value if isinstance(value, int) else 0


class StrictDecimalField(forms.DecimalField):
    """An exact decimal: ``-1234.5``, at most ``max_digits`` digits of which ``decimal_places``
    after the point (24 and 6, as credits are kept). Exponents, grouping, other scripts' digits,
    NaN and ``-0`` are refused. A text box on the page: a browser's number box would send nothing of
    what it cannot read, and so lose what was typed."""

    widget = forms.TextInput
    default_error_messages = {"invalid": _("Write a plain number with a point, such as 1234.5.")}

    def __init__(self, *, max_digits: int = 24, decimal_places: int = 6, **kwargs: Any) -> None:
        super().__init__(max_digits=max_digits, decimal_places=decimal_places, **kwargs)

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        if value in self.empty_values:
            return None
        text = _plain(value)
        if text is None or not _DECIMAL.fullmatch(text):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        number = Decimal(text)
        if number.is_zero() and text.startswith("-"):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return number
