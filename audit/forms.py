"""Forms of operations: the schema of both the page and the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# What a page's form sends beside the parameters of the operation.
CONTROL_FIELDS = frozenset({"csrfmiddlewaretoken", "act", "seen", "previewed", "step", "list"})


class OperationForm(forms.Form):
    """Base of every operation's form: the parameters, then why, then the parameters that few
    fill in. A key that is no parameter is refused.

    ``now``: when the form is being filled in; dates are judged against it.
    """

    reason = forms.CharField(
        label=_("Your reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Stands in the audit log. Users do not see it."),
    )
    ticket = forms.CharField(
        label=_("Ticket"),
        max_length=100,
        required=False,
        help_text=_("Number or link, if there is one."),
    )
    after_reason: Sequence[str] = ()  # parameters that few fill in
    field_order: list[str] | None = None
    use_required_attribute = True

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        self.now = now
        super().__init__(*args, **kwargs)
        last = ("reason", "ticket", *self.after_reason)
        self.order_fields([*(name for name in self.fields if name not in last), *last])

    def clean(self) -> dict[str, Any]:
        unknown = sorted(set(self.data) - self._accepted_names() - CONTROL_FIELDS)
        if unknown:
            raise forms.ValidationError(
                gettext("“%(name)s” is not a field of this form.") % {"name": unknown[0]}
            )
        return self.cleaned_data

    def _accepted_names(self) -> set[str]:
        names = set(self.fields)
        for name, field in self.fields.items():
            names.update(getattr(field.widget, "more_names", lambda _name: ())(name))
        return names

    @property
    def params(self) -> dict[str, Any]:
        """The cleaned parameters of the service, without reason and ticket."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("reason", "ticket")
        }
