"""Confirming a run: why it is done, and for grave ones that it is meant for so many."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm

_GROUPING = re.compile(r"[\s,.'’\u00a0\u202f]")


class ConfirmRunForm(forms.Form):
    """``number``: how many users would change, which must be written where it is given."""

    reason = OperationForm.base_fields["reason"]
    ticket = OperationForm.base_fields["ticket"]
    number = forms.CharField(
        label=_("How many users?"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, number: int | None, reason_needed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = number
        self.fields["reason"].required = reason_needed
        if number is None:
            del self.fields["number"]
        else:
            words = gettext("Write %(n)s, the number of users, to show that you mean all of them.")
            self.fields["number"].help_text = words % {"n": f"{number:,}"}

    def clean_number(self) -> str:
        written: str = self.cleaned_data["number"]
        if _GROUPING.sub("", written) != str(self.wanted):
            raise forms.ValidationError(
                gettext("This is not the number of users who would change: %(n)s.")
                % {"n": f"{self.wanted:,}"}
            )
        return written
