"""Forms of the operations on email addresses."""

from __future__ import annotations

import unicodedata

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from users.mail import has_plain_name


class AddressField(forms.EmailField):
    """One email address, written as it is: signs that only look like others are refused, because
    two people's addresses must not look the same."""

    def __init__(self, **kwargs: object) -> None:
        attributes = {"autocomplete": "off", "spellcheck": "false"}
        super().__init__(max_length=254, widget=forms.EmailInput(attrs=attributes), **kwargs)  # type: ignore[arg-type]

    def clean(self, value: object) -> str:
        email: str = super().clean(value)
        if unicodedata.normalize("NFKC", email) != email or not has_plain_name(email):
            raise forms.ValidationError(
                gettext("This address has signs that only look like others. Type it anew.")
            )
        return email


class ChangeEmailForm(OperationForm):
    """Parameters of ``users.change_email``."""

    email = AddressField(
        label=_("New email address"),
        help_text=_(
            "Counts only once its reader follows a link that is mailed there, within 48 hours. "
            "The present address is told at once, and can keep itself for 72 hours after."
        ),
    )
