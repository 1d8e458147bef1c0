"""The forms of the second factor and of confirming that it is oneself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from users.account_forms import LONGEST_PASSWORD

_LONGEST_CODE = 32
_DIGITS = {"inputmode": "numeric", "class": "short"}


class CodeField(forms.CharField):
    """A code as it is read off an app or a sheet of paper; spaces in it are forgiven."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"autocomplete": "one-time-code", "autocapitalize": "none"}
        widget = forms.TextInput(attrs={**attributes, **kwargs.pop("attrs", {})})
        super().__init__(max_length=_LONGEST_CODE, widget=widget, **kwargs)


class CodeForm(forms.Form):
    """The second stage of a sign-in: a code of the app, or a recovery code."""

    code = CodeField(
        label=_("Code"),
        attrs={"autofocus": True},
        help_text=_("Six digits of your app, or eight digits of an unused recovery code."),
    )


class SetUpForm(forms.Form):
    """Proof that the app took the secret."""

    code = CodeField(label=_("Code that the app shows"), attrs=_DIGITS, help_text=_("6 digits."))


class ConfirmForm(forms.Form):
    """That it is oneself: the password, and a code where a second factor is enrolled."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    code = CodeField(
        label=_("Code of your app"),
        attrs=_DIGITS,
        help_text=_("6 digits. Recovery codes do not count here."),
    )

    def __init__(self, *args: Any, with_code: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_code:
            del self.fields["code"]


class ResetSecondFactorForm(OperationForm):
    """Parameters of ``users.reset_second_factor``."""

    identity_proof = forms.CharField(
        label=_("How do you know that it is them?"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_(
            "Who asks for this is who an attacker pretends to be: a call back to a known number, "
            "say, or a colleague who knows them. It stands in the audit log. They are told at "
            "once and can keep their second factor; it is taken 24 hours later."
        ),
    )
